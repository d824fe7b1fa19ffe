"""A finished study as one file: everything that is needed to look at it again in another store.

bundle.json              which study, the checksum of every manifest, and the names of forget sets
results/<Kind>/<key>/    the results as the store keeps them: spec.json, manifest.json, arrays, tables
data/                    a person's own images, where the study is about them and they are small, else their labels

contents.py   which results belong to a study, and how the file is laid out
writing.py    export(): a study of a store -> a file
reading.py    import_bundle(): a file -> a study of a store, once every check is passed
placing.py    publish(): the checked study -> its place in the store, whole or not at all
"""

from unlearn_core.experiment.bundle.contents import has_images
from unlearn_core.experiment.bundle.reading import import_bundle
from unlearn_core.experiment.bundle.writing import Exported, export
from unlearn_core.experiment.recorded import recorded

__all__ = ["Exported", "export", "has_images", "import_bundle", "recorded"]
