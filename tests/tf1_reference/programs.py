"""Small programs that draw from a `DataSet` and use its attributes; record.py and the tests run them. NumPy only."""

import numpy as np

STEPS = ["batch"] * 3 + ["in_order", "keep", "edit_kept", "edit_images", "edit_labels", "look", "seed_numpy"]
STEPS += ["draw_from_numpy", "set_images", "set_labels", "set_examples", "set_epochs", "set_index"]


def programs(count=40):
    """Programs as data, drawn at random: the rows of a set, the seeds, and the steps with their arguments."""
    choose = np.random.RandomState(0)
    return [program(choose, i) for i in range(count)]


def program(choose, i):
    rows = int(choose.randint(2, 30))
    steps = []
    for step in choose.choice(STEPS, 25).tolist():
        a, b = int(choose.randint(rows)), int(choose.randint(1, 256))
        if step == "set_examples" and a < 2:
            continue
        steps.append([step, a, b])
    # A seed of the set's own is recorded where nothing else seeds or draws from NumPy's global generator.
    own = i % 4 == 0
    steps = [step for step in steps if not (own and step[0] in ("seed_numpy", "draw_from_numpy"))]
    return {"rows": rows, "graph_seed": None if own else i, "seed": i if own else None, "steps": steps}


def run(program, new_data_set):
    """What a program sees. `new_data_set(images, labels, program)` makes the set, with the seeds set."""
    rows = program["rows"]
    images = (np.arange(rows) * 7 % 256).astype(np.uint8).reshape(-1, 1, 1, 1) * np.ones([1, 2, 2, 1], np.uint8)
    data_set = new_data_set(images, np.arange(rows), program)
    seen, kept = [], None
    for step, a, b in program["steps"]:
        size = min(a, data_set.num_examples)
        if step == "batch":
            seen.append(flat(*data_set.next_batch(size)))
        elif step == "in_order":
            seen.append(flat(*data_set.next_batch(size, shuffle=False)))
        elif step == "keep":
            kept = data_set.images
        elif step == "edit_kept" and kept is not None:
            kept[a % len(kept)] = b / 255
        elif step == "edit_images":
            data_set.images[a % len(data_set.images), 1] = b / 255
        elif step == "edit_labels":
            data_set.labels[a % len(data_set.labels)] = 1000 + b
        elif step == "look":
            seen.append(flat(data_set.images, data_set.labels))
        elif step == "seed_numpy":
            np.random.seed(b)
        elif step == "draw_from_numpy":
            seen.append(np.random.uniform(size=a % 3).tolist())
        elif step == "set_images":
            data_set._images = 1 - data_set._images
        elif step == "set_labels":
            data_set._labels = data_set._labels + 100
        elif step == "set_examples":
            data_set._num_examples = min(a, data_set._num_examples)
            data_set._index_in_epoch = 0
        elif step == "set_epochs":
            data_set._epochs_completed = b
        elif step == "set_index":
            data_set._index_in_epoch = a % data_set._num_examples
        seen.append([data_set.num_examples, data_set.epochs_completed, data_set._index_in_epoch])
    return seen


def flat(images, labels):
    return [np.asarray(images, np.float64).ravel().tolist(), np.asarray(labels).tolist()]
