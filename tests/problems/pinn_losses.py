"""Physics-informed losses, and the same in NumPy.

A formula returns the scaled residuals of each term (n, components), whose squares add up to the
loss. Its derivatives are those of power series through the oracle of networks, and its gradient and
Jacobian are complex steps through all of that.
"""

from __future__ import annotations

import numpy as np

import kanml
from helpers import every_layer, reference_layers, with_random_parameters
from reference import networks, series

RNG = np.random.default_rng(0)
X = RNG.uniform([0, -1], [1, 1], (20, 2))
START = np.stack([np.zeros(7), np.linspace(-0.9, 0.9, 7)], axis=1)
MU = 0.3


def network(n_in=2, n_out=1, degree=3, **options):
    net = kanml.KAN([n_in, 2, n_out], degree=degree, intervals=3, seed=0, **options)
    return with_random_parameters(net, seed=1)


def smooth_layers(degree, **options):
    """All kinds of layers but ReLUs, whose second derivatives vanish."""
    net = every_layer(degree, **options)
    layers = [
        kanml.Activation("tanh") if repr(layer) == "Activation('relu')" else layer
        for layer in net.layers
    ]
    return kanml.Network(layers, **options).with_parameters(net.parameters)


def burgers(**options):
    return kanml.PINN(
        "tx",
        [
            kanml.Term("pde", X, lambda u: u.t + u * u.x - 0.1 * u.xx, weight=0.7, **options),
            kanml.Term("start", START, lambda u, x: u + np.sin(np.pi * x), 3.0, "sum"),
        ],
    )


def one(residual, points=X, inputs="tx", problem=None, **options):
    return kanml.PINN(inputs, [kanml.Term("it", points, residual, **options)], **(problem or {}))


# Formulas of the oracle's layers and the unknowns a


def fields(layers, x, names, inputs="tx"):
    """Derivatives of each output, one dictionary an output."""
    d = series.derivatives(layers, x, names, inputs)
    return [{name: d[name][:, j] for name in names} for j in range(d[names[0]].shape[1])]


def scaled(*components):
    """The components (N,) of the residual of a mean."""
    return np.stack(components, axis=1) / np.sqrt(len(components[0]))


def absolute(z):
    return np.where(np.real(z) < 0, -z, z)


def burgers_rows(layers, a):
    (u,) = fields(layers, X, ["", "t", "x", "xx"])
    (v,) = fields(layers, START, [""])
    pde = u["t"] + u[""] * u["x"] - 0.1 * u["xx"]
    start = v[""] + np.sin(np.pi * START[:, 1])
    return [np.sqrt(0.7) * scaled(pde), np.sqrt(3.0) * start[:, None]]


def system(layers, a):
    u, v = fields(layers, X, ["", "t", "x", "xx"])
    first = u["t"] - v["xx"] * u[""]
    second = np.exp(-(v[""] ** 2)) + u["x"] * v["t"]
    return [scaled(first, second)]


def mixed(layers, a):
    (u,) = fields(layers, X, ["", "ttxx", "txx"])
    return [scaled(u["ttxx"] + u[""] * u["txx"])]


def branches(layers, a):
    (u,) = fields(layers, X, ["", "x"])
    chosen = np.where(np.real(u[""]) > X[:, 0], u["x"], u[""] ** 2)
    return [scaled(chosen + absolute(u["x"]))]


# z = |x|: with the sign s of the direction, d/dx = d_x + s d_z.
CUSP = np.stack([X[:, 0], X[:, 1], abs(X[:, 1])], axis=1)
SIGN = np.sign(X[:, 1])
JUMP = {"p": (0, 1, 1), "m": (0, 1, -1), "s": np.stack([0 * SIGN, 1 + 0 * SIGN, SIGN], axis=1)}


def directed(layers, a):
    (u,) = fields(layers, CUSP, ["", "x", "z", "xx", "xz", "zz"], "txz")
    plus, minus = u["x"] + u["z"], u["x"] - u["z"]
    second = u["xx"] + 2 * SIGN * u["xz"] + u["zz"]
    return [scaled(plus - minus * u[""], second)]


def transformed(layers, a):
    (u,) = fields(layers, X, ["", "t", "x", "xx"])
    t, x = X.T
    s, c = np.sin(np.pi * x), np.cos(np.pi * x)
    w = s + t * (1 - x**2) * u[""]
    w_t = (1 - x**2) * (u[""] + t * u["t"])
    w_xx = -(np.pi**2) * s + t * (-2 * u[""] - 4 * x * u["x"] + (1 - x**2) * u["xx"])
    w_x = np.pi * c + t * (-2 * x * u[""] + (1 - x**2) * u["x"])
    return [scaled(w_t + w * w_x - 0.1 * w_xx)]


THERE = X + np.array([0.0, 0.37])


def periodic(layers, a):
    (u,), (v,) = (fields(layers, x, ["", "x"]) for x in (X, THERE))
    return [scaled(u[""] - v[""], u["x"] - v["x"] * u[""])]


def inverse(layers, a):
    (u,) = fields(layers, X, ["", "t", "xx"])
    return [scaled(u["t"] + a[0] * u[""] - a[0] * a[1] ** 2 * u["xx"])]


def periodic_system(layers, a):
    (u, v), (u_there, v_there) = (fields(layers, x, ["", "x", "xx"]) for x in (X, THERE))
    first = u["xx"] * v_there[""] - u_there["x"]
    return [scaled(first, v["x"] - a[0] * v_there["x"])]


ALONG = np.random.default_rng(3).normal(size=(20, 2))


def everything(layers, a):
    u, v = fields(layers, X, ["", "t", "x", "xx", "tx"])
    (a,), (t, x) = a, X.T
    w, w_t = np.sin(np.pi * x) + a * t * u[""], a * (u[""] + t * u["t"])
    w_x = np.pi * np.cos(np.pi * x) + a * t * u["x"]
    w_tx = a * (u["x"] + t * u["tx"])
    z, z_xx = x * v[""] + a, 2 * v["x"] + x * v["xx"]
    first = w_t + a * z_xx * w - np.tanh(z)
    second = w_tx * z - a * (ALONG[:, 0] * w_t + ALONG[:, 1] * w_x)
    return [scaled(first, second)]


CASES = {
    "Burgers": (burgers(), network(), burgers_rows),
    "system": (
        one(
            lambda u, v: (u.t - v.xx * u, np.exp(-(v**2)) + u.x * v.t),
            problem={"outputs": "uv"},
        ),
        network(n_out=2),
        system,
    ),
    "mixed": (one(lambda u: u.ttxx + u * u.txx), network(degree=5), mixed),
    "branches": (
        one(lambda u, t: np.where(u > t, u.x, u**2) + np.abs(u.x)),
        network(),
        branches,
    ),
    "directions": (
        one(lambda u: (u.p - u.m * u, u.ss), CUSP, "txz", directions=JUMP),
        network(3),
        directed,
    ),
    "transform": (
        one(
            lambda w: w.t + w * w.x - 0.1 * w.xx,
            problem={
                "outputs": "w",
                "transform": lambda w, t, x: np.sin(np.pi * x) + t * (1 - x**2) * w,
            },
        ),
        network(),
        transformed,
    ),
    "partner": (
        one(lambda u, u_partner: (u - u_partner, u.x - u_partner.x * u), partner=THERE),
        network(),
        periodic,
    ),
    "unknowns": (
        one(
            lambda u, a, b: u.t + a * u - a * b**2 * u.xx,
            problem={"unknowns": {"a": 0.8, "b": -1.3}},
        ),
        network(),
        inverse,
    ),
    "partners of a system": (
        one(
            lambda u, v, u_partner, v_partner, a: (
                u.xx * v_partner - u_partner.x,
                v.x - a * v_partner.x,
            ),
            partner=THERE,
            problem={"outputs": "uv", "unknowns": {"a": 0.9}},
        ),
        smooth_layers(4),
        periodic_system,
    ),
    "everything": (
        one(
            lambda w, z, a: (w.t + a * z.xx * w - np.tanh(z), w.tx * z - a * w.s),
            directions={"s": ALONG},
            problem={
                "outputs": "wz",
                "unknowns": {"a": 0.6},
                "transform": lambda w, z, t, x, a: (np.sin(np.pi * x) + a * t * w, x * z + a),
            },
        ),
        smooth_layers(3),
        everything,
    ),
}


def expected_terms(formula, net, unknowns=()):
    """The part of each term in the loss."""
    return [np.sum(rows**2) for rows in formula(reference_layers(net), np.array(unknowns))]


def expected_value(formula, net, unknowns=()):
    return sum(expected_terms(formula, net, unknowns))


def expected_gradient(formula, net, unknowns=()):
    """The gradient with respect to parameters and unknowns."""
    return _complex_steps(lambda rows: np.sum(rows**2), formula, net, unknowns)


def expected_jacobian(formula, net, unknowns=()):
    """The derivatives (rows, parameters and unknowns) of the residuals."""
    return _complex_steps(lambda rows: rows, formula, net, unknowns).T


def _complex_steps(function, formula, net, unknowns):
    """The derivatives of a function of all residuals, one after the other."""
    theta, n = np.concatenate([net.parameters, unknowns]), net.n_parameters

    def f(vector):
        parts = formula(reference_layers(net, vector[:n]), vector[n:])
        return function(np.concatenate([part.ravel() for part in parts]))

    return np.array([networks.complex_step(f, theta, e) for e in np.eye(theta.size)])


def expected_rows(formula, net, unknowns=()):
    """The residuals, term by term, point by point, component by component."""
    parts = formula(reference_layers(net), np.array(unknowns))
    return np.concatenate([part.ravel() for part in parts])
