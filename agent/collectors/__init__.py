"""Where figures come from: one file per source, and the table that names them.

A new collector is one file with a class (see snapshot.Collector) and one line here. The name is what a configuration
lists under `collect.collectors`.
"""

from collections.abc import Callable, Mapping

from agent.collectors.host import Host
from agent.collectors.interfaces import Interfaces
from agent.collectors.mounts import Mounts
from agent.collectors.process_groups import ProcessGroups
from agent.snapshot import Collector

# What a collector is told of the configuration: process groups by name, each with the globs of its process names.
Groups = Mapping[str, tuple[str, ...]]

COLLECTORS: Mapping[str, Callable[[Groups], Collector]] = {
    "host": lambda _: Host(),
    "mounts": lambda _: Mounts(),
    "interfaces": lambda _: Interfaces(),
    "process_groups": ProcessGroups,
}
