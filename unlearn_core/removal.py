"""A finished study, or a person's own images, out of the store: what goes with it, what stays because something else
needs it, and the way back.

What a result is about is read off its spec as it is written, so that results of other versions of the program count
too; where in it, and which kinds stand for themselves, is said in kinds.py. A study leads to the models of its table;
to all that is about its own images to forget or about itself, such as audits; and to what is about its training alone,
such as the bank, the map and the searches for learning rates.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from unlearn_core import jobs, room, trash
from unlearn_core.data import kept
from unlearn_core.data.own import place_of
from unlearn_core.disk import StoreError
from unlearn_core.experiment.forget_sets import give_back
from unlearn_core.experiment.model_seeds import OF_THE_TRAINING
from unlearn_core.job import Job
from unlearn_core.kinds import HOLDS, KINDS, STAYS, kind_of
from unlearn_core.result import KEY, Result
from unlearn_core.rows import MOST, pack, unpack
from unlearn_core.store import Store
from unlearn_core.trash import Entry

# Where a kind that this version does not know may say its images to forget.
GUESSES = ("subject.forget", "search.forget", "forget")


@dataclass(frozen=True)
class About:
    """What a result is about: its training (seed and left-out rows aside), the rows or rules of its images to forget,
    all of them first, none where it is about the training alone, and the study that it names.
    """

    training: str = ""
    sets: tuple[str, ...] = ()
    study: str = ""


@dataclass(frozen=True)
class Leaving:
    """What removing a study, or images (then `study` is ""), moves: `places` in the store, what is asked for first and
    the records of jobs among them, how many results of each of `kinds`, and their bytes; and what stays because it is
    `shared`: places, bytes, and the names of what needs them. What of it is finished `work` (its names) needs nobody:
    it is about images that another study is about as well.
    """

    study: str
    name: str
    places: tuple[str, ...]
    shared: tuple[str, ...]
    kinds: dict[str, int]
    bytes: int
    shared_bytes: int
    needed_by: tuple[str, ...]
    work: tuple[str, ...] = ()

    @property
    def results(self) -> int:
        return sum(self.kinds.values())

    @property
    def says(self) -> str:
        """What goes and what stays, in one or two sentences."""
        made = f" and {_results(self.results)} made of them" if self.results else ""
        what = _results(self.results) if self.study else f"The images{made}"
        goes = "goes" if self.study and self.results == 1 else "go"
        said = f"{what} {goes} to the trash, {room.in_words(self.bytes)}."
        if not self.study:
            said += " Sets that were saved and models from elsewhere stay."
        if self.shared:
            said += f" {self._what_stays()}"
        return said

    def _what_stays(self) -> str:
        size, stays = room.in_words(self.shared_bytes), "stays" if len(self.shared) == 1 else "stay"
        said = f"{_results(len(self.shared))} {stays}"
        rest, them = len(self.shared) - len(self.work), "it" if len(self.shared) - len(self.work) == 1 else "them"
        need = f"because others need {them} too ({_named(self.needed_by)})"
        if not self.work:
            return f"{said} {need}, {size}."
        one = len(self.work) == 1
        own = f"because {'it is' if one else 'they are'} finished work on the same images ({_named(self.work)})"
        return f"{said}, {size}: " + (f"{rest:,} {need}, and {len(self.work):,} {own}." if rest else f"{own}.")


def _named(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (" and others" if len(names) > 3 else "")


def _results(count: int) -> str:
    return f"{count:,} result{'' if count == 1 else 's'}"


def plan(store: Store, study_key: str) -> Leaving:
    """What removing this finished study would move. Raises StoreError where there is none, or a job needs it now."""
    study, first = store.open("Study", study_key), f"results/Study/{study_key}"
    busy = list(_under_way(store))
    if any(study_key in (job, about.study) for job, about, _ in busy):
        raise StoreError("A job that is under way needs this study: wait until it is finished, or cancel it first.")
    everything = dict(_everything(store))
    mine = _reach(study, everything)
    led = {place: about for place, about in everything.items() if _leads(mine, place, about)} | {first: About()}
    others = list(_others(store, everything, led, mine.training))
    needed: dict[str, str] = {}
    for place, about in led.items():
        if place != first and about.study != study_key:
            names = [title for _, own, title in busy if own.training == about.training]
            names += [name for reach, name in others if _leads(reach, place, about)]
            if names:
                needed[place] = names[0]
    going = [first, *(place for place in led if place != first and place not in needed)]
    size = {place: _bytes(store, place) for place in led}
    asked = {job.name for job in (store.root / "jobs").iterdir()}  # a job has the key of its result
    records = [f"jobs/{made}" for made in (place.rpartition("/")[2] for place in going) if made in asked]
    return Leaving(
        study=study_key,
        name=_name(study.folder),
        places=(first, *records, *going[1:]),  # records before results, so that no job is seen to have lost its own
        shared=tuple(needed),
        kinds=dict(Counter(place.split("/")[1] for place in going)),
        bytes=sum(size[place] for place in going),
        shared_bytes=sum(size[place] for place in needed),
        needed_by=tuple(dict.fromkeys(needed.values())),
        work=tuple(_name(store.root / place) for place in needed if kind_of(place.split("/")[1]).removing == HOLDS),
    )


def remove(store: Store, study_key: str, by: str = "local") -> tuple[Leaving, Entry]:
    """Move a finished study to the trash, with what nothing else needs and the records of its jobs.

    Raises StoreError where there is no such study, or a job needs it now; and where the disk refuses, and then all is
    where it was. Jobs are seen to be at work, commands are not: one that needs what has gone stops with a sentence, and
    makes it anew when it is started again, as does whatever begins at this very moment.
    """
    leaving = plan(store, study_key)
    return leaving, trash.move(store, "Study", leaving.name, leaving.places, rests_on=leaving.shared, by=by)


def plan_images(store: Store, name: str) -> Leaving:
    """What removing a person's own images of this name would move: the images, and all that was made of them, for
    without them nothing of it can go on. Raises StoreError where there are none, or a job needs them now.
    """
    place = place_of(name, store.root / "data")
    if place is None:
        raise StoreError(f"There are no images of your own called {name[:40]!r}.")
    if any(_is_of(place, spec) or _takes_in(name, spec) for _, spec in _asked_now(store)):
        raise StoreError("A job that is under way needs these images: wait until it is finished, or cancel it first.")
    goes = (result for result in _folders(store) if kind_of(result.parent.name).removing != STAYS)
    made = [result for result in goes if _is_made_of(place, result)]
    first = f"data/own/{name}"
    results = [f"results/{result.parent.name}/{result.name}" for result in made]
    records = [f"jobs/{job.name}" for job in (store.root / "jobs").iterdir() if _is_asked_of(place, job)]
    return Leaving(
        study="",
        name=name,
        # The images last, and first on the way back: what is in the store has the images that it is made of.
        places=(*results, *records, first),
        shared=(),
        kinds=dict(Counter(result.parent.name for result in made)),
        bytes=room.size_of(place) + sum(_bytes(store, each) for each in results),
        shared_bytes=0,
        needed_by=(),
    )


def remove_images(store: Store, name: str, by: str = "local") -> tuple[Leaving, Entry]:
    """Move a person's own images to the trash, with all that was made of them. Raises StoreError as `remove` does.

    Trainings that are not finished do not say of which images they are, so all of these begin anew when they are asked
    for again.
    """
    leaving = plan_images(store, name)
    entry = trash.move(store, "Images", name, leaving.places, by=by)
    shutil.rmtree(store.root / "unfinished", ignore_errors=True)
    return leaving, entry


def _is_of(place: Path, spec: object) -> bool:
    """Whether a spec, as it is written, is about the images in this place; others may have had their name before."""
    data = _find(spec, "Data")
    if data is None or data.get("name") != place.name:
        return False
    return data.get("fingerprint", "") in ("", kept.about(place)["fingerprint"])


def _takes_in(name: str, spec: dict) -> bool:
    return spec.get("spec") == "AddedImages" and spec.get("name") == name


def _is_asked_of(place: Path, job: Path) -> bool:
    with suppress(OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return _is_of(place, json.loads((job / "job.json").read_text())["spec"])
    return False


def _is_made_of(place: Path, result: Path) -> bool:
    with suppress(OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return _is_of(place, json.loads((result / "spec.json").read_text()))
    return False


def restore(store: Store, entry: str) -> str:
    """Bring back what an entry of the trash holds, and say in a sentence or two what came back. Raises StoreError."""
    found = next((each for each in trash.entries(store) if each.id == entry), None)
    if found is not None and found.note:
        if give_back(store, found):
            return f"The set has its name {found.title} again."
        return (
            f"The set or its name {found.title} has been used anew, and that stays; the trash still holds the old one."
        )
    if found is not None and (taken := _taken(store, found)):
        raise StoreError(taken)
    done = trash.restore(store, entry)
    said = [f"{done.title} is back." if done.back else f"Nothing of {done.title} came back."]
    if again := len(done.there_again):
        said.append(f"{again:,} of its parts had been made anew: these stay, and the trash still holds the old ones.")
    if now := len(done.in_use):
        said.append(f"{now:,} of its parts could not come back yet: somebody works there, so ask again later.")
    if done.missing:
        said.append(f"{_results(len(done.missing))} that it rests on are gone, and are made anew when they are needed.")
    return " ".join(said)


def _taken(store: Store, found: Entry) -> str:
    """Why images cannot come back: others have their name by now, and what was made of the old ones needs those. ""
    where nothing is in the way.
    """
    for place in found.things:
        if place.startswith("data/") and (there := store.root / place).exists():
            kept_there = store.root / trash.FOLDER / found.id / place.replace("/", ".")
            if kept.about(there)["fingerprint"] != kept.about(kept_there)["fingerprint"]:
                return f"There are other images called {there.name} by now: remove those first, or leave these removed."
    return ""


# -- what leads to what ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reach:
    """What a study, or other work, leads to: itself, these models, and what is about its training and these sets, or
    about its training at all where `whole`.
    """

    key: str
    training: str
    sets: frozenset[str]
    models: frozenset[str] = frozenset()
    whole: bool = False


def _leads(reach: Reach, place: str, about: About) -> bool:
    _, kind, key = place.split("/")
    if kind_of(kind).removing == STAYS or (kind == "Study" and key != reach.key):
        return False
    if about.study:
        return about.study == reach.key
    if key == reach.key or key in reach.models:
        return True
    if not about.training or about.training != reach.training:
        return False
    return reach.whole or not about.sets or about.sets[0] in reach.sets


def _reach(study: Result, everything: dict[str, About]) -> Reach:
    """Of a study that cannot be read, of another version of the program for example, all that is of its training."""
    about = _about(study.folder)
    try:
        models = frozenset(study.table()["result"])
        sets = {*about.sets, _short(pack(study.arrays()["forget"]))}
    except Exception:  # whatever a reader of tables or arrays makes of another version's files
        return Reach(study.key, about.training, frozenset(), whole=True)
    for other in everything.values():  # requests in a row that end with its set, and the models on their way there
        if other.training == about.training and len(other.sets) > 1 and other.sets[0] in sets:
            sets |= set(other.sets)
    return Reach(study.key, about.training, frozenset(sets), models)


def _others(
    store: Store, everything: dict[str, About], led: dict[str, About], training: str
) -> Iterator[tuple[Reach, str]]:
    """All other work on this training, which must find what it leads to, and its names."""
    for place, about in everything.items():
        _, kind, key = place.split("/")
        if kind_of(kind).removing in (HOLDS, STAYS) and place not in led and about.training == training:
            folder = store.root / place
            if kind == "Study":
                yield _reach(Result(folder), everything), _name(folder)
            else:
                yield Reach(key, about.training, frozenset(about.sets)), _name(folder)


def _under_way(store: Store) -> Iterator[tuple[str, About, str]]:
    """Key, what it is about and title of each job that is not at its end."""
    for job, spec in _asked_now(store):
        with suppress(ValueError, LookupError, TypeError):
            yield job.key, _read(spec), job.title


def _asked_now(store: Store) -> Iterator[tuple[Job, dict]]:
    """Each job that is not at its end, and its spec as it is written."""
    for job in jobs.listing(store):
        if job.active:
            with suppress(OSError, ValueError, LookupError, TypeError):
                yield job, json.loads((store.root / "jobs" / job.key / "job.json").read_text())["spec"]


# -- what a spec is about ----------------------------------------------------------------------------------------------


def _everything(store: Store) -> Iterator[tuple[str, About]]:
    for folder in _folders(store):
        yield f"results/{folder.parent.name}/{folder.name}", _about(folder)


def _folders(store: Store) -> Iterator[Path]:
    for kind in store.kinds():
        for folder in (store.root / "results" / kind).iterdir():
            if KEY.fullmatch(folder.name):
                yield folder


def _about(folder: Path) -> About:
    with suppress(OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return _of(folder)
    return About()  # nothing leads there by it now; it is read again, for a disk may fail once


@lru_cache(maxsize=100_000)  # a key is the checksum of a spec, so what it is about never changes
def _of(folder: Path) -> About:
    return _read(json.loads((folder / "spec.json").read_text()))


def _read(spec: dict) -> About:
    """What a spec is about, as it is written."""
    if (training := _find(spec, "Training")) is None:
        return About()
    named = _find({k: v for k, v in spec.items() if k == "study"}, "Study")
    alike = {k: v for k, v in training.items() if k not in ("seed", "without", "weights")}
    return About(_short(alike), tuple(map(_short, _sets(spec))), "" if named is None else _short(named))


def _sets(spec: dict) -> list:
    """The rows, or the rule for them, that a spec is about: all of them first, and those of its requests so far."""
    kind = spec["spec"]
    if kind in ("Training", "Run") and any(_find(spec, "Training")["seed"] in seeds for seeds in OF_THE_TRAINING):
        return []
    if kind == "Run" and spec["forget"].isdigit():  # an audit deletes many images, each by itself
        return []
    fields = (KINDS[kind].images,) if kind in KINDS else GUESSES
    forget = next(filter(None, (_inside(spec, field) for field in fields)), None)
    if isinstance(forget, list):
        return [pack([*_rows(forget[:count])]) for count in range(len(forget), 0, -1)]
    if isinstance(forget, dict) and forget.get("spec") == "Picked":
        forget = forget["named"]
    return [] if forget is None else [forget]


def _inside(spec: dict, field: str) -> object:
    """What a spec, as it is written, has in a field, or further in: "subject.forget"; None where there is none."""
    found: object = spec
    for name in filter(None, field.split(".")):
        found = found.get(name) if isinstance(found, dict) else None
    return found if field else None


def _rows(requests: Iterable[str]) -> Iterator[int]:
    for text in requests:
        yield from unpack(text, MOST).tolist()


def _find(data: object, kind: str) -> dict | None:
    """The first spec of a kind, as it is written, in or below this."""
    if isinstance(data, dict) and data.get("spec") == kind:
        return data
    inside = data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
    return next((found for each in inside if (found := _find(each, kind)) is not None), None)


def _short(value: object) -> str:
    """A checksum, as long as a key: of a spec it is the key."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _name(folder: Path) -> str:
    """What a result is called, as far as it can be read."""
    with suppress(OSError, ValueError, AttributeError):
        if name := json.loads((folder / "spec.json").read_text()).get("name"):
            return str(name)
    return f"{folder.parent.name} {folder.name[:8]}"


def _bytes(store: Store, place: str) -> int:
    _, kind, key = place.split("/")
    return room.sizes(store.root / "results" / kind).get(key, 0)
