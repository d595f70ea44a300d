import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import expit, softmax
from scipy.stats import bernoulli, nbinom, norm

from consilience.cohort import Table
from consilience.nn.decoders import TableDecoder
from consilience.nn.sources import TableSource


def mixed(n=200, seed=0):
    """A table with every kind of feature, its names not in the order of the kinds."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "cells": rng.negative_binomial(3, 0.2, n).astype(float),
            "dose": rng.normal(50, 10, n),
            "bleeds": rng.integers(0, 2, n).astype(float),
            "age": rng.integers(30, 80, n).astype(float),
            "load": rng.normal(0, 1e-3, n),
            "stage": rng.choice(["I", "II", "III"], n),
        },
        index=[f"p{i}" for i in range(n)],
    )
    frame.iloc[0, 1] = np.nan
    frame.iloc[1, 0] = np.nan
    frame.iloc[2, 5] = None
    return Table(frame)


def fitted(width=3):
    torch.manual_seed(0)
    table = mixed()
    source = TableSource().fit(table)
    decoder = TableDecoder(source, width)
    with torch.no_grad():
        decoder.log_variance.uniform_(-1, 1)
        decoder.log_size.uniform_(0, 2)
    return table, source, decoder


def test_the_loss_is_the_likelihood_of_each_kind_and_counts_only_what_was_measured():
    table, source, decoder = fitted()
    reading = source.read(table, np.arange(20))
    arrays = {name: torch.tensor(array) for name, array in reading.arrays.items()}
    outputs = torch.randn(20, decoder.width)
    loss = decoder.loss(outputs, arrays).detach().numpy()
    eta, frame = outputs.numpy().astype(float), table.frame
    place = {name: i for i, name in enumerate(source.numbers_)}
    spread = np.exp(0.5 * decoder.log_variance.detach().numpy())
    size = dict(zip(["age", "cells"], decoder.log_size.exp().tolist(), strict=True))
    half_log_tau = 0.5 * np.log(2 * np.pi)  # a constant that the loss leaves out
    for i in range(20):
        total = 0.0
        for name in ("dose", "load"):
            k = place[name]
            x = (frame[name].iloc[i] - source.mean_[k]) / source.scale_[k]
            if np.isfinite(x):
                total -= norm.logpdf(x, eta[i, k], spread[k]) + half_log_tau
        k = place["bleeds"]
        share = expit(eta[i, k] + np.log(source.mean_[k] / (1 - source.mean_[k])))
        total -= bernoulli.logpmf(int(frame["bleeds"].iloc[i]), share)
        for name in ("age", "cells"):
            k = place[name]
            x, away = frame[name].iloc[i], min(source.scale_[k] / source.mean_[k], 1.0)
            mean = source.mean_[k] * np.exp(eta[i, k] * away)
            if np.isfinite(x):
                total -= nbinom.logpmf(int(x), size[name], size[name] / (size[name] + mean))
        word = frame["stage"].iloc[i]
        if word is not None:
            told = softmax(eta[i, len(place) :])
            total -= np.log(told[source.levels_["stage"].index(word)])
        assert loss[i] == pytest.approx(total, rel=2e-4)


def test_what_is_expected_at_0_is_the_mean_of_each_number():
    _, source, decoder = fitted()
    found = decoder.measured(torch.zeros(1, decoder.width))
    np.testing.assert_allclose(found.numbers[0], source.mean_, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.levels[0], np.full((1, 3), 1 / 3), rtol=1e-6)


def test_draws_have_the_mean_and_the_spread_of_their_likelihood():
    _, source, decoder = fitted()
    outputs = 0.5 * torch.randn(1, decoder.width).expand(20_000, -1)
    expected = decoder.measured(outputs[:1])
    drawn = decoder.drawn(outputs, np.random.default_rng(0))
    place = {name: i for i, name in enumerate(source.numbers_)}
    spread = np.exp(0.5 * decoder.log_variance.detach().numpy()) * source.scale_
    size = dict(zip(["age", "cells"], decoder.log_size.exp().tolist(), strict=True))
    mean = expected.numbers[0]
    variance = {
        "dose": spread[place["dose"]] ** 2,
        "load": spread[place["load"]] ** 2,
        "bleeds": mean[place["bleeds"]] * (1 - mean[place["bleeds"]]),
        **{k: mean[place[k]] + mean[place[k]] ** 2 / size[k] for k in size},
    }
    for name, k in place.items():
        values = drawn.numbers[:, k]
        error = np.sqrt(variance[name] / len(values))
        assert values.mean() == pytest.approx(mean[k], abs=4 * error)
        assert values.var() == pytest.approx(variance[name], rel=0.1)
    shares = drawn.levels[0].mean(axis=0)
    np.testing.assert_allclose(shares, expected.levels[0][0], atol=0.015)
    assert (drawn.levels[0].sum(axis=1) == 1).all()


def test_the_bend_starts_at_nothing_and_0_leaves_it_out():
    _, source, decoder = fitted()
    latent = torch.randn(4, 3)
    torch.testing.assert_close(decoder(latent), decoder.linear(latent))
    assert TableDecoder(source, 3, hidden=0).bend is None
