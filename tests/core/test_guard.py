import errno
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import guard, isolation, landlock
from core.guard import ROOT, Limits, Nursery, Unparseable
from core.problems import Problem

HERE = "tests.core.guarded"


@pytest.fixture(scope="module")
def nursery() -> Nursery:
    return Nursery(HERE)


@pytest.fixture
def trap() -> Iterator[socket.socket]:
    """A listening server that would notice a visitor."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        yield server


def test_a_result_comes_back(nursery: Nursery) -> None:
    assert nursery.call(f"{HERE}:double", {"number": 21}) == 42


def test_the_second_call_reuses_the_nursery(nursery: Nursery) -> None:
    nursery.call(f"{HERE}:double", {"number": 1})
    process = nursery._process
    nursery.call(f"{HERE}:double", {"number": 1})
    assert nursery._process is process


@pytest.mark.parametrize(
    ("function", "limits"),
    [
        ("abort", Limits()),
        ("hang", Limits(wall=0.3)),
        ("spin", Limits(cpu=1, wall=20)),
        ("eat_memory", Limits(memory=1 << 30)),
    ],
)
def test_a_child_that_dies_is_a_clear_problem_and_the_next_call_works(
    nursery: Nursery, function: str, limits: Limits
) -> None:
    with pytest.raises(Unparseable) as caught:
        nursery.call(f"{HERE}:{function}", {}, limits=limits)
    assert caught.value.code == "media.unparseable"
    assert caught.value.next_step
    assert nursery.call(f"{HERE}:double", {"number": 2}) == 4


def test_a_child_cannot_fill_the_disk(nursery: Nursery, tmp_path: Path) -> None:
    target = tmp_path / "big"
    with pytest.raises(Unparseable):
        nursery.call(f"{HERE}:write", {"path": str(target), "size": 2 << 20}, limits=Limits(output=1 << 20))
    assert target.stat().st_size <= 1 << 20


def test_a_problem_keeps_its_words(nursery: Nursery) -> None:
    with pytest.raises(Problem) as caught:
        nursery.call(f"{HERE}:refuse", {})
    assert (caught.value.code, caught.value.status, caught.value.next_step) == ("media.odd", 422, "Send an even one.")


def test_a_child_reaches_no_network_by_python(nursery: Nursery, trap: socket.socket) -> None:
    with pytest.raises(Unparseable):
        nursery.call(f"{HERE}:connect", {"port": trap.getsockname()[1]})
    with pytest.raises(TimeoutError):
        trap.accept()


def test_a_child_reaches_no_network_below_python(nursery: Nursery, trap: socket.socket) -> None:
    assert nursery.call(f"{HERE}:connect_below_python", {"port": trap.getsockname()[1]}) < 0
    with pytest.raises(TimeoutError):
        trap.accept()


@pytest.mark.skipif(not landlock.refuses_tcp(), reason="this kernel's Landlock knows no network")
def test_a_child_reaches_no_network_where_a_container_refuses_namespaces(trap: socket.socket) -> None:
    contained = Nursery("tests.core.guarded_in_a_container")
    for call, port in (("connect", trap.getsockname()[1]), ("bind", 0)):
        answer = contained.call(f"tests.core.guarded_in_a_container:{call}_below_python", {"port": port})
        assert answer == -errno.EACCES
    contained.close()
    with pytest.raises(TimeoutError):
        trap.accept()


def test_an_older_landlock_without_network_rules_still_hides_files(tmp_path: Path) -> None:
    """ABI 3 knows neither network nor scopes: the kernel refuses attributes it does not know, so none are sent."""
    hidden = tmp_path / "secret"
    hidden.write_text("a signing key")
    program = (
        "import ctypes, sys; from pathlib import Path; from core import landlock; landlock.version = lambda: 3;"
        "ctypes.CDLL(None).prctl(38, 1, 0, 0, 0); print(landlock.confine(readable=[], writable=[]));"
        f"\ntry: open({str(hidden)!r}); print('read')\nexcept PermissionError: print('refused')"
    )
    told = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.split() in (["True", "refused"], ["False", "read"])


def test_the_machine_is_asked_in_a_child_what_it_allows(trap: socket.socket) -> None:
    """Nobody's own process gives its network away for the answer."""
    assert isolation.available() in (isolation.NAMESPACE, isolation.RULE, isolation.NOTHING)
    socket.create_connection(trap.getsockname(), timeout=1).close()
    trap.accept()[0].close()


def test_what_a_child_tells_at_length_is_cut_and_members_of_its_own_are_dropped(nursery: Nursery) -> None:
    rest = {"status": 422, "detail": "d" * 100_000, "next_step": "n" * 100_000, "extra": {"key": "x" * 100_000}}
    with pytest.raises(Problem) as caught:
        nursery.call(f"{HERE}:make_up_a_problem", {"rest": rest})
    assert caught.value.code == "media.odd"
    assert len(repr(caught.value.as_dict())) < 2000


def test_a_child_knows_no_secret_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_SECRET_KEY", "hunter2")
    seen = Nursery(HERE).call(f"{HERE}:environment", {})
    assert "PATH" in seen
    assert not [name for name in seen if name.startswith("ASSAY_")]


def test_a_child_cannot_have_another_process_killed_in_its_place(nursery: Nursery) -> None:
    with subprocess.Popen(["sleep", "60"]) as bystander:
        try:
            with pytest.raises(Unparseable):
                nursery.call(f"{HERE}:claim_to_be", {"pid": bystander.pid}, limits=Limits(wall=0.5))
            with pytest.raises(subprocess.TimeoutExpired):
                bystander.wait(timeout=0.3)
        finally:
            bystander.kill()


@pytest.mark.parametrize("rest", [{"nonsense": 1}, {"status": "hello"}, {"status": 200}, {"extra": 7}])
def test_a_problem_that_a_child_makes_up_is_still_a_clear_problem(nursery: Nursery, rest: dict[str, object]) -> None:
    with pytest.raises(Unparseable):
        nursery.call(f"{HERE}:make_up_a_problem", {"rest": rest})


def test_a_child_that_stays_after_its_answer_is_stopped(nursery: Nursery) -> None:
    pids: list[int] = []
    assert nursery.call(f"{HERE}:answer_and_stay", {}, progress=lambda pid, _: pids.append(pid)) == "done"
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pids[0]}").exists():
        assert time.monotonic() < deadline, "the child still runs"
        time.sleep(0.01)


def test_a_child_reports_and_asks(nursery: Nursery) -> None:
    heard: list[tuple[int, str]] = []
    asked: list[bytes] = []

    def answer(question: bytes) -> bytes:
        asked.append(question)
        return b"hallmark"

    word = nursery.call(f"{HERE}:converse", {}, progress=lambda p, n: heard.append((p, n)), ask=answer)
    assert (word, heard, asked) == ("hallmark", [(50, "half way")], [b"what is the word?"])


def test_a_killed_nursery_is_replaced(nursery: Nursery) -> None:
    nursery.call(f"{HERE}:double", {"number": 1})
    assert nursery._process is not None
    nursery._process.kill()
    nursery._process.wait()
    assert nursery.call(f"{HERE}:double", {"number": 3}) == 6


def test_a_call_is_quick_once_the_nursery_is_up(nursery: Nursery) -> None:
    """Ratio in the same run: a warm call against starting a nursery of one's own."""
    started = time.perf_counter()
    Nursery(HERE).call(f"{HERE}:double", {"number": 1})
    cold = time.perf_counter() - started
    warm = []
    for _ in range(5):
        started = time.perf_counter()
        nursery.call(f"{HERE}:double", {"number": 1})
        warm.append(time.perf_counter() - started)
    assert min(warm) < cold


def test_a_child_sees_only_the_files_it_was_handed(nursery: Nursery, tmp_path: Path) -> None:
    handed, secret = tmp_path / "handed", tmp_path / "secret"
    handed.write_text("the upload")
    secret.write_text("a signing key")
    seen = nursery.call(f"{HERE}:read", {"path": str(handed), "hidden": f"file:{secret}"})
    assert seen == ["the upload", "refused"]


def test_a_child_cannot_change_what_it_was_handed_to_read(nursery: Nursery, tmp_path: Path) -> None:
    handed = tmp_path / "handed"
    handed.write_text("the upload")
    assert nursery.call(f"{HERE}:overwrite", {"path": str(handed)}) == "refused"
    assert handed.read_text() == "the upload"


def test_a_child_signals_nobody_outside(nursery: Nursery) -> None:
    assert nursery.call(f"{HERE}:signal_parent", {}) == "refused"


def test_a_few_slow_files_do_not_hold_every_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "PATIENCE", 0.2)
    small = Nursery(HERE)
    for _ in range(guard.AT_ONCE):
        small._places.acquire()
    with pytest.raises(guard.Busy) as caught:
        small.call(f"{HERE}:double", {"number": 1})
    assert (caught.value.status, bool(caught.value.next_step)) == (503, True)
    for _ in range(guard.AT_ONCE):
        small._places.release()
    assert small.call(f"{HERE}:double", {"number": 1}) == 2
    small.close()
