"""Host keys and moduli: judged where they lie, and strong ones staged beside them for the guarded commit."""

from __future__ import annotations

import base64
import glob
import hashlib
import os
import shutil
import stat
import struct
import subprocess
from typing import Any

from host import GuardError
from sshd_foreign import find_command_line, find_foreign

# The unit as a whole, which `systemctl edit --full` puts before the package's, and what is added to it; sshd.service is
# its alias.
UNIT_FILES = tuple(
    f"{folder}/systemd/system/{name}"
    for folder in ("/etc", "/run", "/usr/local/lib", "/lib")
    for name in ("ssh.service", "ssh.service.d/*.conf", "sshd.service.d/*.conf")
)
# What lies beside sshd under the name of a host key and is none of these, it does not offer.
KINDS = ("ssh-ed25519", "ssh-rsa", "ssh-dss", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521")
SIZE_FIELD = 4  # moduli(5): the fifth field is the length in bits, less one
FIELDS = 7


def fields_of(blob: bytes) -> list[bytes]:
    """Return the length-prefixed fields of an SSH public key blob (RFC 4253)."""
    found, at = [], 0
    while at + 4 <= len(blob):
        (size,) = struct.unpack_from(">I", blob, at)
        found.append(blob[at + 4 : at + 4 + size])
        at += 4 + size
    return found


def describe(public: str) -> dict[str, Any]:
    """Return type, length in bits and fingerprint of a public key ``type base64``.

    Raises:
        ValueError: it is no public key.

    """
    parts = public.split()
    if len(parts) < 2:
        raise ValueError("not a public key")
    blob = base64.b64decode(parts[1], validate=True)
    fields = fields_of(blob)
    if not fields or fields[0].decode("ascii", "replace") != parts[0]:
        raise ValueError("not a public key")
    bits = int.from_bytes(fields[2], "big").bit_length() if parts[0] == "ssh-rsa" and len(fields) > 2 else 256
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return {"public": " ".join(parts[:2]), "bits": bits, "fingerprint": f"SHA256:{digest}"}


def public_of(path: str) -> str:
    """Return the public half of a private key file as ``type base64``.

    Raises:
        ValueError: why sshd could not use the file.

    """
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        raise ValueError("is missing") from None
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("is no plain file")
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise ValueError(f"is open to others (owner {found.st_uid}, mode {stat.S_IMODE(found.st_mode):04o})")
    # -y derives it from the private half: a .pub file beside it may belong to another key.
    done = subprocess.run(["ssh-keygen", "-y", "-P", "", "-f", path], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ValueError("cannot be read as a key without passphrase")
    return done.stdout.strip()


def judge(path: str, kind: str, rsa_bits: int) -> dict[str, Any]:
    """Describe the private key at ``path``; ``why`` says why it will not do ("" if it does)."""
    try:
        found = describe(public_of(path))
    except ValueError as error:
        return {"public": "", "bits": 0, "fingerprint": "", "why": str(error)}
    if found["public"].split()[0] != {"ed25519": "ssh-ed25519", "rsa": "ssh-rsa"}[kind]:
        return {**found, "why": f"is no {kind} key"}
    if kind == "rsa" and found["bits"] < rsa_bits:
        return {**found, "why": f"has {found['bits']} bits, fewer than {rsa_bits}"}
    return {**found, "why": ""}


def filter_moduli(text: str, bits: int) -> tuple[str, int, int]:
    """Return the moduli of at least ``bits`` bits as a file's text, and how many lines were kept and dropped."""
    kept, dropped = [], 0
    for line in text.splitlines():
        fields = line.split()
        if len(fields) != FIELDS or not fields[SIZE_FIELD].isdigit():
            continue
        if int(fields[SIZE_FIELD]) + 1 >= bits:
            kept.append(line)
        else:
            dropped += 1
    return "".join(f"{line}\n" for line in kept), len(kept), dropped


def read(path: str) -> str:
    """Return a file's text, or "" if it is not there."""
    try:
        with open(path, encoding="utf-8", errors="replace") as handle:
            return handle.read()
    except OSError:
        return ""


def live_keys(directory: str) -> list[str]:
    """Return the public keys whose files lie in ``directory``: sshd may offer any of them until the commit."""
    found = []
    for path in sorted(glob.glob(os.path.join(glob.escape(directory), "ssh_host_*_key.pub"))):
        try:
            public = describe(read(path))["public"]
        except ValueError:
            continue
        if public.split()[0] in KINDS:
            found.append(public)
    return found


class Material:
    """What one call looks at and prepares."""

    def __init__(self, params: dict[str, Any], *, check: bool) -> None:
        """Keep the module's parameters; ``check``: change nothing."""
        self.params = params
        self.check = check
        self.plan: list[str] = []

    def staged(self, name: str) -> str:
        """Return the path of ``name`` in the staging folder."""
        return os.path.join(self.params["staging"], name)

    def drop(self, *names: str) -> None:
        """Remove staged files that are of no more use."""
        for name in names:
            if not self.check and os.path.lexists(self.staged(name)):
                os.unlink(self.staged(name))

    def make_staging(self) -> None:
        """Make the staging folder, closed to all but root."""
        path = self.params["staging"]
        if os.path.islink(path):
            raise OSError(f"{path} is a symbolic link")
        os.makedirs(path, mode=0o700, exist_ok=True)
        os.chmod(path, 0o700)

    def key(self, kind: str) -> dict[str, Any]:
        """Return the key of ``kind`` that sshd shall offer, made in staging if the live one will not do."""
        name = f"ssh_host_{kind}_key"
        path = os.path.join(self.params["directory"], name)
        live = judge(path, kind, self.params["rsa_bits"])
        if not live["why"]:
            self.drop(name, f"{name}.pub")
            return {**live, "type": kind, "path": path, "staged": None}
        made = judge(self.staged(name), kind, self.params["rsa_bits"])
        # A public half that is missing or another's would be committed beside the wrong key.
        if made["why"] or made["public"] != " ".join(read(self.staged(f"{name}.pub")).split()[:2]):
            self.plan.append(f"make a new {kind} host key: {path} {live['why']}")
            if self.check:
                return {**live, "public": "", "fingerprint": "", "type": kind, "path": path, "staged": None}
            self.generate(kind, name)
            made = judge(self.staged(name), kind, self.params["rsa_bits"])
        return {**made, "why": live["why"], "type": kind, "path": path, "staged": self.staged(name)}

    def generate(self, kind: str, name: str) -> None:
        """Generate a key in staging; a run killed before the rename leaves only a temporary file."""
        self.make_staging()
        temporary = self.staged(f".{name}")
        for path in (temporary, f"{temporary}.pub"):
            if os.path.lexists(path):
                os.unlink(path)
        bits = ["-b", str(self.params["rsa_bits"])] if kind == "rsa" else []
        command = ["ssh-keygen", "-q", "-t", kind, *bits, "-N", "", "-C", "holdfast", "-f", temporary]
        subprocess.run(command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        os.rename(f"{temporary}.pub", self.staged(f"{name}.pub"))
        os.rename(temporary, self.staged(name))

    def moduli(self) -> dict[str, Any]:
        """Return the filtered moduli, staged if the live file differs from them."""
        source, live = os.path.join(self.params["directory"], "moduli"), self.params["moduli"]
        text, kept, dropped = filter_moduli(read(source), self.params["moduli_bits"])
        result = {"path": live, "staged": None, "kept": kept, "dropped": dropped}
        if kept == 0:
            if filter_moduli(read(live), self.params["moduli_bits"])[1] == 0:
                raise OSError(
                    f"{source} holds no modulus of {self.params['moduli_bits']} bits: reinstall openssh-server"
                )
            return result
        if read(live) == text:
            self.drop("moduli")
            return result
        if read(self.staged("moduli")) != text:
            self.plan.append(f"keep the {kept} of {kept + dropped} moduli that are long enough")
            if self.check:
                return result
            self.make_staging()
            with open(self.staged(".moduli"), "w", encoding="utf-8") as handle:
                handle.write(text)
            os.chmod(self.staged(".moduli"), 0o644)
            os.rename(self.staged(".moduli"), self.staged("moduli"))
        return {**result, "staged": self.staged("moduli")}


def to_commit(keys: list[dict[str, Any]], moduli: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the staged files as the guard takes them: where they go, where they lie, and their mode."""
    files: list[dict[str, Any]] = []
    for key in keys:
        if key["staged"]:
            files.append({"path": key["path"], "from_host": key["staged"], "mode": "0600", "secret": True})
            files.append({"path": f"{key['path']}.pub", "from_host": f"{key['staged']}.pub", "mode": "0644"})
    if moduli["staged"]:
        files.append({"path": moduli["path"], "from_host": moduli["staged"], "mode": "0644"})
    return files


def prepare(order: dict[str, Any]) -> dict[str, Any]:
    """Look at host keys, moduli and foreign lines, and stage what is missing or weak."""
    if shutil.which("ssh-keygen") is None:
        raise GuardError("ssh-keygen is not on this host: install openssh-client")
    work = Material(order, check=order["check_mode"])
    try:
        keys = [work.key(kind) for kind in order["key_types"]]
        moduli = work.moduli()
    except subprocess.CalledProcessError as error:
        raise GuardError(f"ssh-keygen could not make a host key: {error.stderr.strip()}") from error
    except OSError as error:
        raise GuardError(
            f"Host keys and moduli could not be prepared: {error}. sshd reads what it read before."
        ) from error
    foreign = find_foreign(os.path.join(order["directory"], "sshd_config"), order["drop_in"])
    foreign += find_command_line("/etc/default/ssh", UNIT_FILES)
    return {
        "changed": bool(work.plan),
        "keys": keys,
        "offered": [key["public"] for key in keys if key["public"]],
        "live": live_keys(order["directory"]),
        "moduli": moduli,
        "files": to_commit(keys, moduli),
        "foreign": foreign,
        "plan": work.plan,
    }
