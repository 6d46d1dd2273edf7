"""Where a web hook may lead: Mallory tries to make the office speak to what is inside its walls."""

import socket
from typing import Any

import pytest

from policy.hooks import guard

pytestmark = pytest.mark.only_on("sqlite")


@pytest.fixture
def leads_to(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Say what every name leads to from now on."""

    def say(*addresses: str) -> None:
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in addresses]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

    return say


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.org/assay?for=alice",
        "https://hooks.example.org:8443/a/b",
        "https://xn--bcher-kva.example/",
    ],
)
def test_a_public_https_address_can_be_a_web_hooks(url: str) -> None:
    assert guard.objection(url) == ""


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://hooks.example.org/",
        "ftp://hooks.example.org/",
        "file:///etc/passwd",
        "https:///path",
        "https://alice:secret@hooks.example.org/",
        "https://@hooks.example.org/",
        "https://hooks.example.org:22/",
        "https://hooks.example.org:99999/",
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://127.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://localhost/",
        "https://hooks.example.org./",
        "https://hooks.example.org\\@127.0.0.1/",
        "https://hooks.example.org/#fragment",
        "https://hooks.example.org/a b",
        "https://hooks.example.org/\r\nX-Header: 1",
        "https://hooks.example.org/\n",
        "https://bücher.example/",
        "https://" + "a" * 500 + ".example/",
        "https://[/",
    ],
)
def test_what_is_no_public_https_address_cannot(url: str) -> None:
    assert guard.objection(url).endswith(".")


def test_the_office_itself_is_no_receiver(settings: Any) -> None:
    settings.ASSAY_URL = "https://office.example"
    assert "itself" in guard.objection("https://office.example/api/v1/notices")


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:93.184.216.34"])
def test_a_machine_on_the_open_internet_is_public(address: str) -> None:
    assert guard.is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254"),
        *("100.64.0.1", "100.100.100.200", "192.0.2.1", "198.18.0.1", "224.0.0.1", "239.1.1.1", "255.255.255.255"),
        *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1"),
        # The same in other clothes: mapped, compatible, translated (NAT64), 6to4, Teredo.
        *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1"),
        *(
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1:7f00:0:100:808:808",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "2001:0:5ef5:79fd:0:0:f5ff:fffe",
        ),
        *("nonsense", ""),
    ],
)
def test_a_machine_inside_is_not(address: str) -> None:
    assert not guard.is_public(address)


def test_the_connection_goes_to_the_address_that_was_judged(leads_to: Any) -> None:
    leads_to("93.184.216.34", "93.184.216.35")
    assert guard.address_of("https://hooks.example.org/") == "93.184.216.34"


@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["::ffff:10.0.0.1"]])
def test_a_name_that_leads_inside_only_now_and_then_leads_nowhere(addresses: list[str], leads_to: Any) -> None:
    leads_to(*addresses)
    with pytest.raises(guard.Refused, match="private network"):
        guard.address_of("https://rebinding.example.org/")


def test_a_name_that_nobody_knows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: object, **__: object) -> None:
        raise socket.gaierror("unknown")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    with pytest.raises(guard.Refused, match="Nobody knows"):
        guard.address_of("https://hooks.example.org/")


def test_only_the_host_and_port_that_the_operator_named_is_exempt(settings: Any, leads_to: Any) -> None:
    settings.ASSAY_WEBHOOK_HOSTS = ["hooks.internal:8080"]
    leads_to("10.0.0.7")
    assert guard.address_of("http://hooks.internal:8080/assay") == "10.0.0.7"
    for near in ("http://hooks.internal/", "http://hooks.internal:8081/", "http://x.hooks.internal:8080/"):
        with pytest.raises(guard.Refused):
            guard.address_of(near)
    with pytest.raises(guard.Refused, match="password"):
        guard.address_of("http://a:b@hooks.internal:8080/")
