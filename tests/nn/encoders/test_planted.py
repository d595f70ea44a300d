"""Planted truth in bags and images, learned through a fusion method."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from consilience.cohort import Cohort, Images, bag_of
from consilience.fusion import IntermediateFusion
from consilience.nn.reading import Reader
from consilience.nn.training import Training

TRAINED = 200
TRAINING = Training(max_epochs=60, patience=60, batch_size=32, learning_rate=5e-3)


def few_carriers(n: int = 300, seed: int = 0) -> tuple[Cohort, np.ndarray, list[np.ndarray]]:
    """Return bags of 30 to 60 in which three instances tell: two features agree, or do not.

    Each of the two alone has mean 0 in both classes, so that no mean over instances tells.
    """
    rng = np.random.default_rng(seed)
    y, patients, carriers = rng.integers(0, 2, n), {}, []
    for i in range(n):
        x = rng.normal(size=(int(rng.integers(30, 60)), 8)).astype(np.float32)
        own, side = rng.choice(len(x), 3, replace=False), rng.choice([-4.0, 4.0], 3)
        x[own, 0], x[own, 1] = side, side if y[i] else -side
        patients[f"p{i:03}"] = x
        carriers.append(own)
    frame = pd.DataFrame(index=list(patients))
    return Cohort(frame, {"tiles": bag_of(patients)}), y, carriers


@pytest.mark.slow
def test_a_few_instances_are_found_and_learned_from() -> None:
    cohort, y, carriers = few_carriers()
    later = np.arange(TRAINED, len(cohort))
    means = np.array([cohort.modalities["tiles"].instances(i).mean(0) for i in range(len(cohort))])
    linear = LogisticRegression().fit(means[:TRAINED], y[:TRAINED])
    model = IntermediateFusion("binary", training=TRAINING).fit(cohort[:TRAINED], y[:TRAINED])
    ours = roc_auc_score(y[later], model.predict_proba(cohort[later])[:, 1])
    theirs = roc_auc_score(y[later], linear.predict_proba(means[later])[:, 1])
    assert theirs < 0.65
    assert ours > 0.9

    part = Reader(model.sources_, cohort[later]).batch(np.arange(len(later))).parts["tiles"]
    with torch.inference_mode():
        weights = model.networks()[0].encoders[0].attention(part).numpy()
    share = [weights[part.owner.numpy() == i][carriers[k]].sum() for i, k in enumerate(later)]
    assert np.mean(share) > 0.5  # three of 45 instances, which would have 0.07 by chance


def test_a_pattern_is_seen_wherever_it_lies() -> None:
    """Stripes along or across, in any phase: no pixel tells anything by itself."""
    rng = np.random.default_rng(0)
    y, images = rng.integers(0, 2, 300), []
    for label in y:
        wave = np.sin(2 * np.pi * (np.arange(20) / 5 + rng.random()))
        stripes = np.broadcast_to(wave, (20, 20))
        images.append((stripes if label else stripes.T) + rng.normal(0, 1.0, size=(20, 20)))
    index = pd.Index([f"p{i:03}" for i in range(300)])
    cohort = Cohort(pd.DataFrame(index=index), {"mri": Images(index, images)})
    pixels = np.array(images).reshape(300, -1)
    linear = LogisticRegression().fit(pixels[:TRAINED], y[:TRAINED])
    theirs = roc_auc_score(y[TRAINED:], linear.predict_proba(pixels[TRAINED:])[:, 1])
    training = Training(max_epochs=15, batch_size=32)
    model = IntermediateFusion("binary", training=training).fit(cohort[:TRAINED], y[:TRAINED])
    ours = roc_auc_score(y[TRAINED:], model.predict_proba(cohort[TRAINED:])[:, 1])
    assert theirs < 0.7
    assert ours > 0.9
