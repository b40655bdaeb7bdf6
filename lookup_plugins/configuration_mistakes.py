"""The `configuration_mistakes` lookup: what Ansible was told beside the inventory that would switch off host keys."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ansible import constants as C  # noqa: N812 (its name everywhere in Ansible)
from ansible.plugins.lookup import LookupBase

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DOCUMENTATION = r"""
name: configuration_mistakes
short_description: Settings of Ansible with which a host's key would not be checked
version_added: 0.1.0
author: [holdfast (@holdfast)]
description:
  - Judges what the ssh connection plugin is told by the environment, by an ansible.cfg (whichever Ansible has read) and
    by the command line. Ansible makes arguments of ssh of it, which beat the ssh_config of the runs.
  - The same in variables is found by the filters that judge the inventory.
options:
  _terms:
    description: None.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Show the result
  ansible.builtin.debug:
    msg: "{{ query('configuration_mistakes') }}"
"""

RETURN = r"""
_raw:
  description: "[{level, entry, key, value, fix}]. level is mistake."
  type: list
  elements: dict
"""

SWITCH = "host_key_checking"
# All that becomes arguments of ssh, sftp and scp; the wiring page's ssh_common_args beats every other.
ARGUMENTS = ("ssh_args", "ssh_extra_args", "sftp_extra_args", "scp_extra_args")
# What would let an unknown key pass, look for the pinned ones elsewhere, or take another file for the runs' ssh_config.
WORDS = re.compile(
    r"(?i:StrictHostKeyChecking(?![\s=\"']*(?:yes|true)\b)|(?:User|Global)KnownHostsFile|KnownHostsCommand"
    r"|HostKeyAlias|NoHostAuthenticationForLocalhost|VerifyHostKeyDNS)[\s=]*[^\s\"']*|(?:^|(?<=\s))-F\s*\S+"
)
FIX = (
    "a host is known by its key alone: where you know it beforehand declare host.ssh.host_key, and where a host was "
    "installed anew docs/how-to/troubleshooting.md tells what to do"
)


def place_of(origin: str, option: str, definition: Mapping[str, Any]) -> tuple[str, str]:
    """Return where a setting was made, and what it is called there."""
    kind, _, name = origin.partition(": ")
    if kind == "env":
        return "environment", name
    if kind == "cli":
        return "command line", f"--{name.replace('_', '-')}"
    return origin, str(next((entry["key"] for entry in definition.get("ini", ())), option))


def judged(option: str, value: Any) -> str:
    """Return what of a setting would switch host keys off, in the user's words; empty where nothing does."""
    if option == SWITCH:
        return "" if value else "host keys are not checked"
    found = WORDS.search(str(value or ""))
    return found[0].strip() if found else ""


class LookupModule(LookupBase):
    """Controller only: no host is contacted."""

    def run(self, *_terms: Any, **_more: Any) -> list[dict[str, str]]:
        """Return a mistake for each setting that the ssh connection plugin may not be given."""
        return list(self._found())

    def _found(self) -> Iterator[dict[str, str]]:
        definitions = C.config.get_configuration_definitions("connection", "ssh")
        for option in (SWITCH, *ARGUMENTS):
            # As the plugin itself asks, but without any host's variables.
            value, origin = C.config.get_config_value_and_origin(option, plugin_type="connection", plugin_name="ssh")
            if said := judged(option, value):
                entry, key = place_of(str(origin), option, definitions[option])
                fix = f"{'unset' if entry == 'environment' else 'remove'} it: {FIX}"
                yield {"level": "mistake", "entry": entry, "key": key, "value": said, "fix": fix}
