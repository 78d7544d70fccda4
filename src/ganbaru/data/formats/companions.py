"""Pictures that belong to others: masks, and second pictures of one sample, which are left out.

They are found by their names and by the picture that they belong to: a folder "masks" beside one of
"images", `7_mask.png` beside `7.jpg`, several pictures of one WebDataset sample. A class or picture
that only has such a name, like "gas mask", stays.
"""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from ganbaru.data.formats.names import Parts, words
from ganbaru.data.formats.splits import role
from ganbaru.errors import InputError

_MASKS = (
    "alpha ann annot annotation annotations bbox contour contours depth disparity edge edges gt "
    "groundtruth ground heatmap instance instances label labels mask masks matte mattes panoptic "
    "parsing seg segm segmentation segmentations segs semantic silhouette target targets trimap "
    "trimaps truth"
)
MASKS = frozenset(_MASKS.split())
THUMBNAILS = frozenset(("preview", "previews", "thumb", "thumbnail", "thumbnails", "thumbs"))
_IMAGES = (
    "color colour frame frames image images img imgs input inputs jpeg jpegs jpg original "
    "originals photo photos picture pictures png rgb"
)
IMAGES = frozenset(_IMAGES.split())
_WORD = re.compile(r"[^\W_]+")
_MARKED = re.compile("|".join(sorted({*MASKS, *THUMBNAILS}, key=len, reverse=True)))
# Of two files of one name the first is taken: a photograph is a JPEG, its mask is not.
_ORDER = (".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".png")
MASK = ("mask", "masks or annotations of other pictures")
SECOND = ("second picture", "second pictures of one sample")

Reasons = dict[Parts, tuple[str, str]]  # kind and reason by path


def companions(place: object, paths: Sequence[Parts], samples: bool) -> Reasons:
    """Return which of the pictures are not used, with the kind and the reason.

    In an archive of `samples`, all pictures whose names are equal up to the first dot are one
    sample. Raises InputError where its image cannot be known.
    """
    found: Reasons = dict.fromkeys(_in_mask_folders(paths), MASK)
    for find in (_marked, _same_name):
        found |= find([path for path in paths if path not in found])
    if samples:
        found |= _of_samples(place, [path for path in paths if path not in found])
    return found


# --- folders ------------------------------------------------------------------------------------


def _in_mask_folders(paths: Sequence[Parts]) -> list[Parts]:
    """Return the pictures in folders of masks, which are beside a folder of images or a split's."""
    inside: dict[Parts, set[str]] = defaultdict(set)
    for folder in {path[:-1] for path in paths}:
        for depth, name in enumerate(folder):
            inside[folder[:depth]].add(name)
    masks = _below_their_images(paths, inside)
    for above, names in inside.items():
        found = {name for name in names if _is_mask_folder(name)}
        images = {name for name in names if found and _holds_images(name)}
        if not images:
            continue
        if any(not role(name)[0] for name in images):
            found = names - images  # a third folder beside "images" and "masks" is no class either
        masks |= {(*above, name) for name in found}
    if not masks:
        return []
    return [path for path in paths if any(path[:k] in masks for k in range(1, len(path)))]


def _is_mask_folder(name: str) -> bool:
    return not MASKS.isdisjoint(words(name))


def _holds_images(name: str) -> bool:
    """Return whether a folder's name says that it has images, whatever is on them."""
    split, rest = role(name)
    found = set(words(name))
    return not found & MASKS and (bool(split and not rest) or bool(found and found <= IMAGES))


def _below_their_images(paths: Sequence[Parts], inside: Mapping[Parts, set[str]]) -> set[Parts]:
    """Return the folders of masks that are in the folder of their images, with the same stems."""
    suspects = {
        (*a, name) for a, names in inside.items() for name in names if _is_mask_folder(name)
    }
    stems: dict[Parts, set[str]] = defaultdict(set)
    for path in paths if suspects else ():
        stems[path[:-1]].add(_stem(path))
    return {
        folder
        for folder in suspects
        if 2 * len(stems[folder] & stems[folder[:-1]]) >= max(1, len(stems[folder]))
    }


# --- files --------------------------------------------------------------------------------------


def _marked(paths: Sequence[Parts]) -> Reasons:
    """Find pictures that are named as the mask or thumbnail of another one in their folder."""
    reasons: Reasons = {}
    if not any(_MARKED.search(path[-1].lower()) for path in paths):
        return reasons
    plain: set[tuple[Parts, Parts]] = set()
    marked: dict[str, list[tuple[Parts, Parts]]] = defaultdict(list)
    for path in paths:
        key, word = _without_mark(tuple(_WORD.findall(_stem(path).lower())))
        if word:
            marked[word].append((path, key))
        else:
            plain.add((path[:-1], key))
    for word, pairs in marked.items():
        partners = sum((path[:-1], key) in plain for path, key in pairs)
        if 2 * partners >= len(pairs):  # one rule for all, also where a picture itself is missing
            reasons |= dict.fromkeys((p for p, _ in pairs), MASK if word in MASKS else SECOND)
    return reasons


def _without_mark(stem: Parts) -> tuple[Parts, str]:
    """Return the words of a stem that name its sample, and a mask's word at either end or ""."""
    number = len(stem) > 2 and stem[-1].isdecimal() and stem[-2] in MASKS
    body = stem[:-1] if number else stem
    for word, rest in ((body[-1:], body[:-1]), (body[:1], (*body[1:], *stem[len(body) :]))):
        if rest and word and word[0] in MASKS | THUMBNAILS:
            return tuple(each for each in rest if each not in IMAGES | MASKS), word[0]
    return tuple(each for each in stem if each not in IMAGES), ""


def _same_name(paths: Sequence[Parts]) -> Reasons:
    """Of pictures that differ by their suffix alone, find all but one, if most have a second."""
    named: dict[tuple[Parts, str], list[Parts]] = defaultdict(list)
    for path in paths:
        named[path[:-1], _stem(path)].append(path)
    several = [group for group in named.values() if len(group) > 1]
    if 2 * len(several) < max(1, len(named)):
        return {}
    return {path: SECOND for group in several for path in sorted(group, key=_rank)[1:]}


def _rank(path: Parts) -> tuple[int, str]:
    suffix = posixpath.splitext(path[-1])[1].lower()
    return (_ORDER.index(suffix) if suffix in _ORDER else len(_ORDER)), suffix


def _of_samples(place: object, paths: Sequence[Parts]) -> Reasons:
    """Of several pictures of WebDataset samples, find all but the images."""
    named: dict[Parts, dict[str, Parts]] = defaultdict(dict)
    for path in paths:
        key, _, field = path[-1].partition(".")
        sample = (*path[:-1], key)
        named[sample][posixpath.splitext(field)[0] if "." in field else ""] = path
    several = [fields for fields in named.values() if len(fields) > 1]
    fields = {name for each in several for name in each}
    # "cat.0.png" and "cat.1.png" are two samples: what numbers them is no field.
    if 2 * len(several) < max(1, len(named)) or any(name.isdecimal() for name in fields):
        return {}
    image = _image_field(place, fields)
    return {path: SECOND for each in several for name, path in each.items() if name != image}


def _image_field(place: object, fields: Iterable[str]) -> str:
    """Return the field of samples that holds the image."""
    found = [name for name in fields if not name or set(name.lower().split(".")) <= IMAGES]
    if len(found) != 1:
        shown = ", ".join(sorted(f".{name}" for name in fields)[:8])
        raise InputError(
            f"{place}: each sample has several pictures ({shown}), and which is the image to train "
            f"on is not certain. Leave one of them in each sample, or name it KEY.image.png."
        )
    return found[0]


def _stem(path: Parts) -> str:
    return posixpath.splitext(path[-1])[0]
