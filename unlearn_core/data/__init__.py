"""Datasets as whole tensors: the contents page.

    images.py    Images, Dataset and their fingerprint
    splits.py    stratified draws and wrong labels that come out the same everywhere
    kept.py      a whole dataset as a folder on disk
    builtin.py   DATASETS: what ships with the program or is downloaded once
    decode.py    image files -> pixels, or a reason why not
    left_out.py  files that were not used, in a few lines
    sources.py   a person's folder or file -> the images in it (items.py), by image_folder.py or parquet.py
    own.py       add() and own(): a person's own datasets
    loading.py   Data (spec) -> load() -> Dataset

A row number of `Dataset.train` is an example's identity everywhere, so rows never move: they keep the order of the
source (scikit-learn's for digits, the file's for downloads, classes and then file names for an image folder, files and
then rows for parquet). What is drawn for the test set, the validation set or a smaller set leaves the others in that
order, renumbered from 0.
"""

from unlearn_core.data.builtin import DATASETS
from unlearn_core.data.images import DataError, Dataset, Images
from unlearn_core.data.loading import Data, load
from unlearn_core.data.own import Imported, add, own

__all__ = ["DATASETS", "Data", "DataError", "Dataset", "Images", "Imported", "add", "load", "own"]
