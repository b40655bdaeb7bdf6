"""The drop-in for sshd, rendered without a host: what stands in it, and what must not."""

from __future__ import annotations

import pytest

from tests.render.role_template import ROOT, render, statements


def drop_in(release: str, **variables: object) -> list[str]:
    """Render the drop-in for a Debian release."""
    from ansible.parsing.dataloader import DataLoader

    table = DataLoader().load_from_file(str(ROOT / "roles/ssh/vars/main.yml"), trusted_as_template=True)
    chosen = table["ssh__releases"][release]
    return statements(render("ssh", "sshd.conf.j2", ssh__release=chosen, **{"ssh__ports": [22], **variables}))


@pytest.mark.parametrize("release", ["12", "13"])
def test_only_keys_open_the_door(release: str) -> None:
    lines = drop_in(release)
    for wanted in (
        "AllowGroups holdfast-ssh",
        "AuthenticationMethods publickey",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "PermitRootLogin no",
        "PermitEmptyPasswords no",
        "UsePAM yes",
        "AuthorizedKeysFile /etc/ssh/authorized_keys.d/%u",
        "TrustedUserCAKeys none",
        "AllowTcpForwarding no",
    ):
        assert wanted in lines
    assert not [line for line in lines if line.startswith(("Match", "Subsystem", "DenyUsers", "AllowUsers", "Port "))]


@pytest.mark.parametrize("release", ["12", "13"])
def test_every_kind_of_declared_key_is_taken(release: str) -> None:
    (line,) = [line for line in drop_in(release) if line.startswith("PubkeyAcceptedAlgorithms")]
    taken = line.split()[1].split(",")
    assert {"ssh-ed25519", "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com", "rsa-sha2-512"} <= set(
        taken
    )
    assert not {"ssh-rsa", "ssh-dss"} & set(taken)


@pytest.mark.parametrize(("release", "first"), [("12", "sntrup761x25519-sha512"), ("13", "mlkem768x25519-sha256")])
def test_post_quantum_key_exchange_comes_first(release: str, first: str) -> None:
    (line,) = [line for line in drop_in(release) if line.startswith("KexAlgorithms")]
    assert line.split()[1].split(",")[0] == first
    (strict,) = [line for line in drop_in(release, ssh_post_quantum_only=True) if line.startswith("KexAlgorithms")]
    assert all(name.startswith(("mlkem", "sntrup")) for name in strict.split()[1].split(","))


def test_penalties_exist_on_13_only_and_spare_trusted_sources() -> None:
    assert not [line for line in drop_in("12", ssh_trusted_sources=["10.0.0.0/8"]) if "Penalt" in line]
    lines = drop_in("13", ssh_trusted_sources=["10.0.0.0/8", "2001:db8::/32"], ssh_penalty_max=20)
    assert "PerSourcePenaltyExemptList 10.0.0.0/8,2001:db8::/32" in lines
    (line,) = [line for line in lines if line.startswith("PerSourcePenalties ")]
    assert "max:20" in line.split()
    assert "crash:20" in line.split()
    assert not [line for line in drop_in("13") if line.startswith("PerSourcePenaltyExemptList")]


def test_a_port_change_opens_both() -> None:
    lines = drop_in("13", ssh__ports=[2222, 22])
    listen = [line.split()[1] for line in lines if line.startswith("ListenAddress")]
    assert listen == ["0.0.0.0:2222", "[::]:2222", "0.0.0.0:22", "[::]:22"]


def test_forwarding_belongs_to_the_person_who_was_granted_it() -> None:
    lines = drop_in("13", ssh_forwarding=[{"name": "alice", "permit_open": ["10.0.0.5:5432", "[2001:db8::1]:22"]}])
    at = lines.index("Match User alice")
    assert lines[at:] == [
        "Match User alice",
        "AllowTcpForwarding local",
        "PermitOpen 10.0.0.5:5432 [2001:db8::1]:22",
        "Match all",
    ]


def test_host_keys_follow_the_policy() -> None:
    lines = drop_in("13", ssh_host_key_types=["ed25519"])
    assert [line for line in lines if line.startswith("HostKey ")] == ["HostKey /etc/ssh/ssh_host_ed25519_key"]
    assert "HostKeyAlgorithms ssh-ed25519" in lines
