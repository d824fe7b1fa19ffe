"""Labels of a chart: none over another, none over a mark, none cut, and always in the same places."""

import numpy as np
import pytest

from pages.shared import label_places

ROOM = (748.0, 336.0)
NONE = np.empty((0, 4))


def boxes(marks, labels, found):
    """The boxes of placed labels."""
    sizes = np.array([label_places.size(labels[i]) for i in labels]) / 2
    middle = np.array([marks[i] + found[i][:2] for i in labels])
    return np.hstack([middle - sizes, middle + sizes])


def crowded(seed: int) -> tuple:
    """Fifteen marks, half of them in one corner, and eight labels of various lengths."""
    rng = np.random.default_rng(seed)
    marks = np.vstack([rng.uniform(0, 1, (7, 2)), rng.uniform(0.75, 1, (8, 2))]) * ROOM
    words = ["RUM", "RUM, shuffled", "Fine-tune, no parts, 3x epochs", "SalUn", "L1-sparse", "NegGrad+", "RUM^F SCRUB"]
    return marks, rng.uniform(5, 13, 15), dict(enumerate([*words, "a name of forty letters, as long as it goes"], 4))


@pytest.mark.parametrize("seed", range(12))
def test_labels_cover_neither_each_other_nor_a_mark_and_none_is_cut(seed):
    marks, radii, labels = crowded(seed)
    placed = boxes(marks, labels, label_places.places(marks, radii, labels, NONE, ROOM))
    for i, box in enumerate(placed):
        assert not label_places.shared(box[None], np.delete(placed, i, axis=0)).any()
        assert (box >= 0).all() and (box <= [*ROOM, *ROOM]).all()
        solid = np.hstack([marks - radii[:, None], marks + radii[:, None]])
        assert not label_places.shared(box[None], solid).any()


def test_one_mark_is_named_right_beside_it():
    found = label_places.places(np.array([[100.0, 100.0]]), [8.0], {0: "RUM"}, NONE, ROOM)
    right, down, far = found[0]
    assert right > 0 > down and not far and abs(down) == 8 + label_places.GAP + label_places.LINE / 2
    # At the right edge there is room on the left only, at the upper edge below only.
    assert label_places.places(np.array([[745.0, 100.0]]), [8.0], {0: "RUM"}, NONE, ROOM)[0][0] < 0
    assert label_places.places(np.array([[100.0, 2.0]]), [8.0], {0: "RUM"}, NONE, ROOM)[0][1] > 0


def test_a_line_leads_to_a_label_that_lies_as_near_to_another_mark():
    alone, crowd = np.array([[100.0, 100.0]]), np.array([[100.0, 100.0], [170.0, 88.0]])
    assert not label_places.places(alone, [6.0], {0: "RUM, shuffled"}, NONE, ROOM)[0][2]
    walls = np.array([[0.0, 0.0, 95.0, 336.0], [0.0, 106.0, 748.0, 336.0]])  # nowhere else is as good
    assert label_places.places(crowd, [6.0, 6.0], {0: "RUM, shuffled"}, walls, ROOM)[0][2]


def test_places_do_not_hang_on_the_order_of_the_marks():
    marks, radii, labels = crowded(3)
    found = label_places.places(marks, radii, labels, NONE, ROOM)
    turned = np.arange(len(marks))[::-1]
    again = label_places.places(
        marks[turned], radii[turned], {len(marks) - 1 - i: t for i, t in labels.items()}, NONE, ROOM
    )
    assert {len(marks) - 1 - i: place for i, place in again.items()} == found


def test_a_bar_is_not_crossed_where_there_is_another_place():
    mark, label = np.array([[300.0, 150.0]]), {0: "RUM, shuffled"}
    usual = boxes(mark, label, label_places.places(mark, [6.0], label, NONE, ROOM))
    moved = boxes(mark, label, label_places.places(mark, [6.0], label, usual, ROOM))
    assert label_places.shared(moved, usual)[0] < label_places.shared(usual, usual)[0] / 2


def test_a_label_is_nearer_to_its_own_mark():
    marks = np.array([[300.0, 150.0], [330.0, 138.0]])  # the second where the first one's label would go
    found = label_places.places(marks, [5.0, 5.0], {0: "RUM"}, NONE, ROOM)
    placed = boxes(marks, {0: "RUM"}, found)
    own, other = label_places.away(placed, marks)[0]
    assert own < other


def test_no_labels_and_points_that_coincide():
    assert label_places.places(np.array([[5.0, 5.0]]), [4.0], {}, NONE, ROOM) == {}
    marks = np.full((3, 2), 200.0)
    labels = {0: "one", 1: "two", 2: "three"}
    placed = boxes(marks, labels, label_places.places(marks, [9.0] * 3, labels, NONE, ROOM))
    assert not any(label_places.shared(placed[[i]], np.delete(placed, i, axis=0)).any() for i in range(3))


@pytest.mark.parametrize(
    ("heights", "placed"),
    [
        ([1.0, 0.76, 0.27], [1.0, 0.76, 0.27]),  # far enough apart: each at its line
        ([0.98, 1.0, 0.99], [0.8, 1.0, 0.9]),
        ([0.0, 0.05], [0.0, 0.1]),  # no room below
        ([], []),
    ],
)
def test_labels_in_a_column_do_not_overlap(heights, placed):
    assert label_places.column(heights, 0.1, 0.0) == pytest.approx(placed)
