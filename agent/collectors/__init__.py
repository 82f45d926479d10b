"""Where figures come from: one file per source, and the table that names them.

A new collector is one file with a class (see snapshot.Collector) and one line here. The name is what a configuration
lists under `collect.collectors`; settings stand in its table of the same name.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from agent.collectors import cgroups, docker, libvirt, programs, prometheus
from agent.collectors.host import Host
from agent.collectors.interfaces import Interfaces
from agent.collectors.mounts import Mounts
from agent.collectors.process_groups import ProcessGroups
from agent.snapshot import Collector

# Process groups by name, each with the globs of its process names. The one table that is no struct: its keys are free.
Groups = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Registration:
    """How collectors of one kind are made from their settings: each by a name of its own, asked and failing alone.

    ``settings``: what the configuration's table must look like (sections.py), or None for a kind without. ``check`` says
    what is wrong with settings that are each right, and what to do.
    """

    make: Callable[[Any], Mapping[str, Collector]]
    settings: Any = None
    check: Callable[[Any], Iterable[str]] = lambda _: ()
    by_default: bool = False


COLLECTORS: Mapping[str, Registration] = {
    "host": Registration(lambda _: {"host": Host()}, by_default=True),
    "mounts": Registration(lambda _: {"mounts": Mounts()}, by_default=True),
    "interfaces": Registration(lambda _: {"interfaces": Interfaces()}, by_default=True),
    "process_groups": Registration(lambda groups: {"process_groups": ProcessGroups(groups)}, by_default=True),
    "cgroups": Registration(lambda section: {"cgroups": cgroups.Cgroups(section)}, cgroups.Section),
    "docker": Registration(lambda section: {"docker": docker.Docker(section)}, docker.Section),
    "libvirt": Registration(lambda section: {"libvirt": libvirt.Libvirt(section)}, libvirt.Section),
    "exec": Registration(
        programs.make,
        Annotated[list[programs.Section], msgspec.Meta(max_length=programs.PROGRAMS_MAX)],
        check=programs.problems_of,
    ),
    "prometheus": Registration(
        prometheus.make,
        Annotated[list[prometheus.Section], msgspec.Meta(max_length=prometheus.EXPORTERS_MAX)],
        check=prometheus.problems_of,
    ),
}
BY_DEFAULT = tuple(name for name, registration in COLLECTORS.items() if registration.by_default)


def conflicts(settings: Mapping[str, Any]) -> list[str]:
    """What would be metered twice by the collectors together. ``settings``: of those that are listed."""
    if "docker" in settings and "cgroups" in settings and cgroups.meters_docker(settings["cgroups"]):
        return [
            "cgroups.containers: Docker's containers would be metered twice: narrow the patterns, or leave out docker"
        ]
    return []
