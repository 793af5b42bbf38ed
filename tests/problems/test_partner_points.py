"""Terms whose residual sees the solution at two points, as periodic conditions do."""

from __future__ import annotations

import numpy as np
import pytest

import kanml
from helpers import naming, reference_layers, relative_error
from kanml.problems import Sampler
from reference import networks, series


def residual(u, u_partner, x):
    return (u * u_partner.x - x, u.xx + u_partner**2)


def test_the_gradient_with_partners():
    rng = np.random.default_rng(0)
    points, partners = rng.uniform(-0.9, 0.9, (2, 12, 2))
    term = kanml.Term("pair", points, residual, partner=partners)
    pinn = kanml.PINN("tx", [term])
    net = kanml.KAN([2, 3, 1], intervals=3, seed=1)

    def expected(theta):
        layers = reference_layers(net, theta)
        here, there = (
            series.derivatives(layers, x, ["", "x", "xx"], "tx") for x in (points, partners)
        )
        return np.concatenate(
            [here[""] * there["x"] - points[:, 1:], here["xx"] + there[""] ** 2], axis=1
        )

    np.testing.assert_allclose(
        pinn.residuals(net) * np.sqrt(12),
        expected(net.parameters).ravel(),
        rtol=1e-11,
        atol=1e-12,
    )
    _, gradient = pinn.value_and_gradient(net)
    slopes = [
        networks.complex_step(lambda theta: np.sum(expected(theta) ** 2) / 12, net.parameters, e)
        for e in np.eye(net.n_parameters)
    ]
    assert relative_error(gradient, np.array(slopes)) <= 1e-11


def test_minibatches_of_partners():
    rng = np.random.default_rng(0)
    points, partners = rng.uniform(-0.9, 0.9, (2, 12, 2))
    net = kanml.KAN([2, 3, 1], intervals=3, seed=1)
    whole = kanml.PINN("tx", [kanml.Term("pair", points, residual, partner=partners)])
    parts = kanml.PINN("tx", [kanml.Term("pair", points, residual, partner=partners, batch_size=4)])
    found = []
    for _ in range(3):
        found.append(parts.residuals(net) * np.sqrt(4))
        parts.advance(net)
    np.testing.assert_allclose(
        np.sort(np.concatenate(found)), np.sort(whole.residuals(net) * np.sqrt(12)), rtol=1e-12
    )
    other = kanml.PINN("tx", [kanml.Term("pair", points, residual, partner=partners + 0.01)])
    assert whole.fingerprint() != other.fingerprint()


def test_the_inputs_at_the_partner():
    """They are numbers there, and their derivatives those of a pair that moves together."""
    rng = np.random.default_rng(0)
    points, partners, along = rng.uniform(-0.9, 0.9, (3, 12, 2))

    def with_inputs(u, x, u_partner, t_partner, x_partner):
        return (
            t_partner * u - (x - x_partner) * u_partner.x,
            (x_partner**2 * u_partner).x + (t_partner * u).n,
        )

    term = kanml.Term("pair", points, with_inputs, partner=partners, directions={"n": along})
    pinn = kanml.PINN("tx", [term])
    net = kanml.KAN([2, 3, 1], intervals=3, seed=1)

    def expected(theta):
        layers = reference_layers(net, theta)
        here, there = (
            {
                name: d[:, 0]
                for name, d in series.derivatives(layers, p, ["", "t", "x"], "tx").items()
            }
            for p in (points, partners)
        )
        (t_there, x_there), x = partners.T, points[:, 1]
        first = t_there * here[""] - (x - x_there) * there["x"]
        second = 2 * x_there * there[""] + x_there**2 * there["x"]
        second = second + along[:, 0] * here[""]
        second = second + t_there * (along[:, 0] * here["t"] + along[:, 1] * here["x"])
        return np.stack([first, second], axis=1)

    np.testing.assert_allclose(
        pinn.residuals(net) * np.sqrt(12), expected(net.parameters).ravel(), rtol=1e-11, atol=1e-12
    )
    _, gradient = pinn.value_and_gradient(net)
    slopes = [
        networks.complex_step(lambda theta: np.sum(expected(theta) ** 2) / 12, net.parameters, e)
        for e in np.eye(net.n_parameters)
    ]
    assert relative_error(gradient, np.array(slopes)) <= 1e-11


def test_the_inputs_at_the_partner_alone():
    points, partners = np.random.default_rng(0).uniform(-0.9, 0.9, (2, 12, 2))
    term = kanml.Term("pair", points, lambda x, x_partner: x_partner - x, partner=partners)
    found = kanml.PINN("tx", [term]).residuals(kanml.KAN([2, 1])) * np.sqrt(12)
    np.testing.assert_allclose(found, partners[:, 1] - points[:, 1], rtol=1e-14)


def test_bad_partners():
    points = np.zeros((4, 2))
    with pytest.raises(ValueError, match=naming("term 'pair': partner", (4, 2), (3, 2))):
        kanml.PINN("tx", [kanml.Term("pair", points, residual, partner=points[:3])])
    with pytest.raises(ValueError, match=naming("partner", "nan")):
        kanml.PINN("tx", [kanml.Term("pair", points, residual, partner=points * np.nan)])
    sampler = Sampler([0, -1], [1, 1], 4)
    with pytest.raises(ValueError, match=naming("partner needs given points")):
        kanml.PINN("tx", [kanml.Term("pair", sampler, residual, partner=points)])
    with pytest.raises(ValueError, match="partner and transform"):
        kanml.PINN(
            "tx",
            [kanml.Term("pair", points, residual, partner=points)],
            transform=lambda u: 2 * u,
        )
    for name in ("u_partner", "x_partner"):
        asking = {
            "u_partner": lambda u_partner: u_partner,
            "x_partner": lambda x_partner: x_partner,
        }
        with pytest.raises(TypeError, match=naming(f"'{name}'", "partner= of the term is missing")):
            kanml.PINN("tx", [kanml.Term("pair", points, asking[name])])
        for options in ({"outputs": ["u", name]}, {"unknowns": {name: 1.0}}):
            with pytest.raises(ValueError, match=naming("term 'pair'", f"'{name}'", "another")):
                kanml.PINN("tx", [kanml.Term("pair", points, residual, partner=points)], **options)
    for options in ({}, {"partner": points}):
        with pytest.raises(TypeError, match=naming("'v_partner'")) as caught:
            kanml.PINN("tx", [kanml.Term("pair", points, lambda v_partner: v_partner, **options)])
        assert "partner=" not in str(caught.value)
