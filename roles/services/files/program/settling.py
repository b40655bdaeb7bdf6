"""All services of the host: each brought up or put back, and what is declared no more ended."""

from __future__ import annotations

import shutil
import time

import calling
import declared_service
import kept_files
import layout
import retirement
from declared_service import Service
from systemd_units import NotUpError

# What is not begun by then has to wait for the next run: whoever calls this ends it after ten minutes.
BUDGET_SECONDS = 420.0
SEARCH_SECONDS = 40  # for what the accounts of services that are gone own, all of a run together


def settle(keep: int) -> None:
    """Bring up each service that is declared and end what it replaces, or put it back; end what is declared no more."""
    shutil.rmtree(declared_service.GIVEN_UP, ignore_errors=True)
    records = kept_files.by_name(layout.RECORDS)
    services = [Service(name, plan, records.pop(name, {})) for name, plan in kept_files.by_name(layout.PLANS).items()]
    ports = {part["port"] for service in services for part in service.plan["parts"] if part["port"]}
    seconds = max(SEARCH_SECONDS // max(len(records), 1), 1)
    for name in [name for name, record in records.items() if ports & set(record.get("ports", []))]:
        print(calling.one_line(retirement.retire(name, records.pop(name), seconds)))  # its port is wanted by another
    until = time.monotonic() + BUDGET_SECONDS
    for service in services:
        service.note()
        try:
            service.bring_up(until)
            service.finish(keep)
        except NotUpError as error:
            print(calling.one_line(f"not up: {service.name}: {error}\n{service.put_back()}"))
    for name, record in records.items():
        print(calling.one_line(retirement.retire(name, record, seconds)))
