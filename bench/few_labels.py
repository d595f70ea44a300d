"""Does pretraining on all of HANCOCK help where few patients are labelled?

The outcome is death within five years. The network is pretrained on the measurements of
all patients, those who are tested later included: it sees no outcome. Then 25, 50, 100 or
200 labelled patients are drawn, and on them are fitted: the network from the pretraining
(all weights, or the head alone), the same network from scratch, and late and early fusion
of ridge regression. All are judged by the AUROC on the same patients, of whom none is ever
drawn. The intervals of the differences are those of a mean over draws of labels, by
Student's t with the variance multiplied by the share that Nadeau and Bengio (2003) add for
draws that overlap, 1/k + n_labels / n_pool; they hold for these test patients.

    python -m bench few_labels

Fourteen minutes on one core of a busy machine: a small network, and short trainings.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import t as student
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

sys.path.insert(0, str(Path(__file__).resolve().parent))
from consilience.cohort import Cohort, EventBy
from consilience.fusion import EarlyFusion, LateFusion
from consilience.fusion.cross_modal_transformer import CrossModalTransformer
from consilience.fusion.pretraining import Pretraining
from consilience.nn.training import Training
from consilience.study import Protocol
from consilience.study.candidates import default_learner
from loaders import hancock

RESULTS = Path(__file__).resolve().parent / "results"
OUTCOME = EventBy("death", "days_to_last_information", 5 * 365.25, label="death within 5 years")
SIZES = (25, 50, 100, 200)
DRAWS = 10
TEST = 0.4
FORM = {"width": 16, "tokens": 4, "depth": 1}
PRETRAINING = Training(40, 40, learning_rate=2e-3, validation=0.0)
FITTING = Training(40, 15, learning_rate=2e-3, batch_size=32)
SCRATCH = "from scratch"


def candidates(start: Pretraining) -> dict[str, Any]:
    """Return what is compared, unfitted."""
    ridge = default_learner(OUTCOME, Protocol(inner_folds=3))
    frozen = FrozenEstimator(start)
    deep = {"training": FITTING, **FORM}
    return {
        "pretrained": CrossModalTransformer(pretrained=frozen, **deep),
        "pretrained, frozen": CrossModalTransformer(pretrained=frozen, freeze="all", **deep),
        SCRATCH: CrossModalTransformer(**deep),
        "late ridge": LateFusion(ridge, random_state=0),
        "early ridge": EarlyFusion(ridge),
    }


def scores(start: Pretraining, cohort: Cohort, y: np.ndarray) -> Iterator[dict[str, Any]]:
    """Yield the AUROC of each candidate, size and draw."""
    rows = np.arange(len(y))
    pool, test = train_test_split(rows, test_size=TEST, random_state=0, stratify=y)
    for size in SIZES:
        for draw in range(DRAWS):
            few, _ = train_test_split(pool, train_size=size, random_state=draw, stratify=y[pool])
            for name, model in candidates(start).items():
                begun = time.perf_counter()
                if "random_state" in model.get_params():
                    model.set_params(random_state=draw)
                risk = model.fit(cohort[few], y[few]).predict_proba(cohort[test])[:, 1]
                yield {
                    "labels": size,
                    "draw": draw,
                    "candidate": name,
                    "auroc": roc_auc_score(y[test], risk),
                    "seconds": time.perf_counter() - begun,
                    "share": size / len(pool),
                }


def table(found: pd.DataFrame) -> pd.DataFrame:
    """Return means over draws, and differences to the network from scratch with intervals."""
    rows = []
    for size, of_size in found.groupby("labels"):
        wide = of_size.pivot(index="draw", columns="candidate", values="auroc")
        share = float(of_size["share"].iloc[0])
        for name in of_size["candidate"].unique():
            own = wide[name]
            row = {"labels": size, "candidate": name, "AUROC": own.mean(), "SD": own.std()}
            if name != SCRATCH:
                apart = own - wide[SCRATCH]
                error = apart.std() * np.sqrt(1 / DRAWS + share)
                reach = student.ppf(0.975, DRAWS - 1) * error
                row |= {"to scratch": apart.mean(), "low": apart.mean() - reach}
                row |= {"high": apart.mean() + reach}
            rows.append(row)
    return pd.DataFrame(rows)


def verdict(shown: pd.DataFrame) -> str:
    """Return whether pretraining beats training from scratch at 50 labels, in a sentence."""
    at = shown[shown["labels"] == 50].set_index("candidate")
    said = []
    for name in ("pretrained", "pretrained, frozen"):
        gain, low, high = at.loc[name, ["to scratch", "low", "high"]]
        word = "beats" if low > 0 else "is worse than" if high < 0 else "does not clearly beat"
        said.append(
            f"At 50 labels {name} {word} training from scratch: {gain:+.3f} ({low:+.3f} to "
            f"{high:+.3f})."
        )
    best = at["AUROC"].drop(["late ridge", "early ridge"]).max()
    ridge = at["AUROC"][["late ridge", "early ridge"]].max()
    said.append(f"The best network has {best:.3f} there, the better ridge {ridge:.3f}.")
    return " ".join(said)


def markdown(shown: pd.DataFrame) -> str:
    """Return a table as Markdown."""
    text = shown.map(lambda v: "" if pd.isna(v) else f"{v:.3f}" if isinstance(v, float) else str(v))
    lines = [" | ".join(text.columns), " | ".join("---" for _ in text.columns)]
    lines += [" | ".join(row) for row in text.itertuples(index=False)]
    return "\n".join(f"| {line} |" for line in lines)


def main() -> None:
    """Pretrain, fit, and write the table."""
    torch.set_num_threads(1)
    begun = time.perf_counter()
    whole = hancock()
    labelled = OUTCOME.of(whole)
    start = Pretraining(training=PRETRAINING, **FORM).fit(whole)
    pretrained = time.perf_counter() - begun
    print(f"pretrained on {len(whole)} patients in {pretrained:.0f} s", flush=True)
    y = np.asarray(labelled.y == np.unique(labelled.y)[-1]).astype(int)
    found = pd.DataFrame(list(scores(start, labelled.cohort, y)))
    shown = table(found)
    RESULTS.mkdir(exist_ok=True)
    found.drop(columns="share").to_csv(RESULTS / "few-labels.csv", index=False, float_format="%.4f")
    took = found.groupby("candidate", sort=False)["seconds"].mean().round(2).to_dict()
    said = [
        f"# HANCOCK, death within 5 years: few labels, {DRAWS} draws",
        f"{len(whole)} patients to pretrain on, without outcome; {len(y)} with the outcome "
        f"({y.sum()} deaths), of whom {round(TEST * len(y))} are the test patients throughout. "
        "AUROC: mean and standard deviation over draws of labels. Differences to the same "
        "network from scratch, paired by draw, with 95% intervals (Nadeau and Bengio's "
        "correction for overlapping draws).",
        markdown(shown),
        verdict(shown),
        f"Seconds a fit: {', '.join(f'{name} {each:.1f}' for name, each in took.items())}; "
        f"the pretraining {pretrained:.0f}, everything {time.perf_counter() - begun:.0f}.",
    ]
    text = "\n\n".join(said) + "\n"
    (RESULTS / "few-labels.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
