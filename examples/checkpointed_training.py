"""Train with checkpoints
======================

Run it, interrupt it with Ctrl-C or kill it, and run it again. The second run continues where the
first one stopped, and ends with the same bits as a run that was never interrupted.
"""

from pathlib import Path

import numpy as np

import kanml

SCHEDULE = [300, 150, 80]  # steps on 4, 8, 16 intervals
FILE = Path("training.kanml")  # where the checkpoint is kept until training is completed


def main():
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, (5000, 3))
    y = np.sin(4 * x[:, :1] + 2 * x[:, 1:2]) * np.exp(-x[:, 2:])

    net = kanml.KAN([3, 6, 1], intervals=4, domain=(0, 1), data=x)
    result = kanml.train(
        net,
        kanml.Regression(x, y),
        schedule=SCHEDULE,
        callbacks=[kanml.Checkpoint(FILE, every=10)],
        resume=FILE if FILE.exists() else None,
    )
    print(f"{result.status}: {result.message}")
    print(f"mean squared error {result.history.loss[-1]:.1e} after {result.history.step[-1]} steps")
    if result.status == "completed":
        FILE.unlink(missing_ok=True)

    return kanml.plotting.plot_history(result.history).figure


if __name__ == "__main__":
    main().savefig("kanml-checkpointed-training.png")
