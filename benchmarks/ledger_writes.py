"""T1 to T3: what an entry costs the transaction that writes it, against PostgreSQL itself and a locked hash chain.

pgbench on both sides, the product's own statement, its own sequencer alive during every round (it idles while a peer
is measured). Rounds are interleaved; a ratio is taken within its round, and the median of the rounds is reported.
"""

import statistics
from collections.abc import Callable, Mapping

from benchmarks import ledger_peers as peers
from benchmarks.ledger_server import Database, Run, Server, drained, in_product, pgbench, sequencer
from benchmarks.ledger_sizes import Sizes
from benchmarks.table import Figure

CLIENTS = (8, 32)
Rounds = dict[tuple[str, int], list[Run]]


# The commit of the machine on which the targets were set: 286 single-row inserts a second by one client. The bare disk
# of this machine may be far quicker; then not the disk but the processors decide, and clients, server and sequencer
# share them. Both are shown.
COMMIT = 3_500  # µs
_SLOW = "each commit takes 3.5 ms, as where the target was set (commit_delay, for both sides)"
_BARE = "on this machine’s bare disk, where the processors are the limit"


def appends(server: Server, sizes: Sizes) -> list[Figure]:
    """T1, T1b and T3."""
    database = _prepared(server, "appends")
    scripts = {"plain": peers.PLAIN, "ledger": _append(database), "chain": peers.CHAIN}
    with sequencer(database):
        with server.commits_take(COMMIT):
            slow = _interleaved(database, {side: scripts[side] for side in ("plain", "ledger")}, sizes)
        bare = _interleaved(database, scripts, sizes, skip={("chain", 8)})
    chain = _ratio(bare, "ledger", "chain", 32)
    return [
        _against_pgbench("T1", slow, _SLOW),
        _against_pgbench("T1b", bare, _BARE),
        Figure(
            "T3",
            "the same, against a hash chain under a lock",
            "≥ 5x at 32 clients",
            f"{chain:.1f}x",
            chain >= 5,
            f"chain in plpgsql, one round trip, {_median(bare['chain', 32], 'tps'):,.0f}/s, bare disk",
        ),
    ]


def _against_pgbench(number: str, rounds: Rounds, how: str) -> Figure:
    ratios = {clients: _ratio(rounds, "ledger", "plain", clients) for clients in CLIENTS}
    rate = {side: _median(rounds[side, 32], "tps") for side in ("ledger", "plain")}
    return Figure(
        number,
        "append in one statement, live sequencer, against pgbench inserting one row of the same bytes",
        "≥ 0.90x at 8 and at 32 clients",
        f"{ratios[8]:.2f}x, {ratios[32]:.2f}x",
        min(ratios.values()) >= 0.90,
        f"{how}; {rate['ledger']:,.0f}/s of {rate['plain']:,.0f}/s at 32 clients",
    )


def business(server: Server, sizes: Sizes) -> list[Figure]:
    """T2 and T2b."""
    database = _prepared(server, "business")
    scripts = {
        "audit": peers.with_business(peers.AUDIT),
        "ledger": peers.with_business(_append(database)),
    }
    with sequencer(database):
        with server.commits_take(COMMIT):
            slow = _interleaved(database, scripts, sizes)
        bare = _interleaved(database, scripts, sizes)
    return [_against_audit("T2", slow, _SLOW), _against_audit("T2b", bare, _BARE)]


def _against_audit(number: str, rounds: Rounds, how: str) -> Figure:
    ratios = {clients: _ratio(rounds, "ledger", "audit", clients) for clients in CLIENTS}
    slower = {
        clients: _median(rounds["ledger", clients], "p99") / _median(rounds["audit", clients], "p99")
        for clients in CLIENTS
    }
    return Figure(
        number,
        "business transaction with its entry, against the same with a plain audit row",
        "≥ 0.85x at 8 and at 32 clients; p99 ≤ 1.5x",
        f"{ratios[8]:.2f}x, {ratios[32]:.2f}x; p99 {slower[8]:.2f}x, {slower[32]:.2f}x",
        min(ratios.values()) >= 0.85 and max(slower.values()) <= 1.5,
        f"{how}; the audit row has the columns and indexes of an entry, without hash, outbox and tree",
    )


def _prepared(server: Server, name: str) -> Database:
    database = server.database(name)
    peers.prepare(database)
    return database


def _append(database: Database) -> str:
    return str(in_product(database, "benchmarks.ledger_peers:append_script"))


def _interleaved(
    database: Database, scripts: Mapping[str, str], sizes: Sizes, skip: set[tuple[str, int]] | None = None
) -> Rounds:
    """Each round runs every side once, beginning with another side than the round before."""
    rounds: Rounds = {}
    for script in scripts.values():  # warm, and the sequencer is up; not counted
        _one(database, script, 8, 1)
    for number in range(sizes.rounds):
        database.execute("CHECKPOINT")
        sides = list(scripts)
        for clients in CLIENTS:
            for side in sides[number % len(sides) :] + sides[: number % len(sides)]:
                if (side, clients) not in (skip or set()):
                    rounds.setdefault((side, clients), []).append(_one(database, scripts[side], clients, sizes.seconds))
    return rounds


def _one(database: Database, script: str, clients: int, seconds: int) -> Run:
    drained(database)
    return pgbench(database, script, clients, seconds, peers.VARIABLES)


def _ratio(rounds: Rounds, side: str, against: str, clients: int) -> float:
    return statistics.median(
        mine.tps / theirs.tps for mine, theirs in zip(rounds[side, clients], rounds[against, clients], strict=True)
    )


def _median(runs: list[Run], what: str) -> float:
    read: Callable[[Run], float] = {"tps": lambda run: run.tps, "p99": lambda run: run.p99}[what]
    return statistics.median(map(read, runs))
