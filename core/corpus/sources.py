"""Where a corpus can be fetched: as archives, or as loose files of a Git repository.

Both kinds say what there is of each channel, how much has to come, and how much room it takes.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any, Final

DISK_BLOCK: Final = 4096
"""What a file may take more than its length on usual disks, in bytes."""


@dataclasses.dataclass(frozen=True)
class Archive:
    """A packed part of a corpus."""

    name: str
    size: int
    """Length, in bytes."""
    md5: str
    """Checksum, as its source gives it."""
    n_clips: int
    unpacked: int
    """Room that its clips take, in bytes."""
    kaggle: str = ""
    """Name of the data set on Kaggle that holds the same clips, if one does."""


@dataclasses.dataclass(frozen=True)
class Source:
    """Where archives come from."""

    base_url: str
    """Address that an archive's name is put behind."""
    archives: Mapping[str, Archive]
    """Archives by the channel of their clips."""
    place: Callable[[Archive, Mapping[str, Any]], PurePath]
    """Folder of a clip of an archive, below the corpus folder."""
    max_clip_bytes: int = 4_000_000
    """Longest file that is taken from an archive, in bytes."""
    title: str = "Zenodo"
    """What people call it."""

    @property
    def counts(self) -> dict[str, int]:
        """Number of clips, by channel."""
        return {channel: archive.n_clips for channel, archive in self.archives.items()}

    @property
    def is_on_kaggle(self) -> bool:
        """Whether all of it is on Kaggle too."""
        return all(archive.kaggle for archive in self.archives.values())

    def size(self, channels: Iterable[str]) -> int:
        """Return what has to be fetched for some channels, in bytes."""
        return sum(self.archives[channel].size for channel in channels)

    def room(self, channels: Iterable[str]) -> int:
        """Return the room that this takes until it is unpacked, in bytes."""
        return sum(self.archives[channel].size + self.archives[channel].unpacked for channel in channels)


@dataclasses.dataclass(frozen=True)
class LooseFiles:
    """Where the files of a folder in a Git repository come from, one by one; the hash of the folder tells all right."""

    base_url: str
    """Address that a file's name is put behind; of one commit, so that it always gives the same."""
    names: Callable[[], Sequence[str]]
    """Returns the names of all files; the folder holds nothing else."""
    tree: str
    """Git's hash of the folder, 40 hex digits."""
    size_of_all: int
    """Length of all files together, in bytes."""
    folder: str
    """Folder that they are put into, below the corpus folder."""
    max_file_bytes: int
    """Longest file that is taken, in bytes."""
    channel: str = "speech"
    """Channel of the clips."""
    title: str = "GitHub"
    """What people call it."""
    is_on_kaggle: bool = False
    """Whether all of it is on Kaggle too."""

    @property
    def counts(self) -> dict[str, int]:
        """Number of clips, by channel."""
        return {self.channel: len(self.names())}

    def size(self, channels: Iterable[str]) -> int:
        """Return what has to be fetched for some channels, in bytes."""
        return self.size_of_all if self.channel in channels else 0

    def room(self, channels: Iterable[str]) -> int:
        """Return the room that this takes, in bytes."""
        return self.size_of_all + DISK_BLOCK * len(self.names()) if self.channel in channels else 0
