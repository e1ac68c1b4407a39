"""Record trials of NeuroGym environments: what was drawn, and the observations and targets that came of it.

Runs where NeuroGym is installed; needs nothing of neuromod. Used by the make_*.py scripts beside this file.
"""

from __future__ import annotations

import numpy as np

RING = 16
# NeuroGym's period names, by the family's own words -> the five periods that all families share.
PERIODS = {"fixation": 0, "stimulus": 1, "stim1": 1, "sample": 1, "delay": 2, "stim2": 3, "test": 3, "decision": 4}


def position(theta):
    """Index of an angle on the ring."""
    return round(theta / (2 * np.pi / RING))


def drawn(env):
    """What the newest trial of `env` consists of: durations_ms (5,), positions (2,), strengths (2, 2), match."""
    inner, trial = env.unwrapped, env.unwrapped.trial
    ring = getattr(env, "i_env", None)
    durations = np.zeros(5, np.int64)
    periods = ["fixation", "decision"] if getattr(inner, "reaction", False) else list(inner.timing)
    for name in periods:
        durations[PERIODS[name]] = (inner.end_ind[name] - inner.start_ind[name]) * inner.dt
    if getattr(inner, "integrate", 0):
        # Mod-Cog reckons with the delay before it is floored to whole time steps.
        durations[2] = inner.timing["delay"]
    strengths = np.zeros((2, 2))
    match = False
    if "theta1" in trial:
        positions = [position(trial["theta1"]), position(trial["theta2"])]
        for r in (0, 1):
            for p in (0, 1):
                strengths[r, p] = trial.get(f"coh{p + 1}_mod{r + 1}", 0)
    elif "sample_theta" in trial:
        positions = [position(trial["sample_theta"]), position(trial["test_theta"])]
        strengths[ring] = 1
        match = trial["ground_truth"] == "match"
    else:
        positions = [int(trial["ground_truth"])] * 2
        strengths[ring, 0] = 1
    return durations, np.array(positions), strengths, match


def seed_task(schedule, index, seed):
    """Seed one task of `schedule`, its two rings differently: NeuroGym would make them draw the same trials."""
    rings = getattr(schedule.envs[index], "envs", None)
    for i, env in enumerate(rings or [schedule.envs[index]]):
        env.seed(seed + 100 * i)


def trials_of(schedule, index, n):
    """Make `n` trials of one task of a `ScheduleEnvs` with rule input; yields what was drawn, observation, target."""
    for _ in range(n):
        schedule.next_i_env = index
        schedule.new_trial()
        inner = schedule.unwrapped
        yield (*drawn(schedule.envs[index]), inner.ob.astype(np.float32), inner.gt.astype(np.int64))


def record(schedule, n_tasks, n_trials, seed):
    """Record noise-free trials of every task as padded arrays."""
    rows, seen, wanted = [], [], []
    for task in range(n_tasks):
        seed_task(schedule, task, seed + task)
        for durations, positions, strengths, match, ob, gt in trials_of(schedule, task, n_trials):
            rows.append((task, durations, positions, strengths, match, len(ob)))
            seen.append(ob)
            wanted.append(gt)
    longest = max(len(ob) for ob in seen)
    inputs = np.zeros((len(rows), longest, seen[0].shape[1]), np.float32)
    targets = np.zeros((len(rows), longest), np.uint8)
    for i, (ob, gt) in enumerate(zip(seen, wanted, strict=True)):
        inputs[i, : len(ob)], targets[i, : len(gt)] = ob, gt
    names = ("task", "durations_ms", "positions", "strengths", "match", "length")
    columns = {name: np.array(values) for name, values in zip(names, zip(*rows, strict=True), strict=True)}
    return {**columns, "inputs": inputs, "targets": targets}


def statistics(noisy, clean, n_tasks, n_trials, seed):
    """Histograms of what is drawn, and mean and variance of the noise, over many trials of every task.

    Both schedules are seeded alike, and their environments use the generator alike, so that their trials differ by the
    noise alone.
    """
    length = np.zeros((n_tasks, 64), np.int64)
    answer = np.zeros((n_tasks, RING + 1), np.int64)
    # Strength of the first stimulus less that of the second, both rings, in steps of 0.02 from -2 to 2.
    contrast = np.zeros((n_tasks, 201), np.int64)
    steps = np.zeros((n_tasks, 5), np.int64)
    total, squares = np.zeros((2, n_tasks, 5, 1 + 2 * RING))
    for task in range(n_tasks):
        seed_task(noisy, task, seed + task)
        seed_task(clean, task, seed + task)
        pairs = zip(trials_of(noisy, task, n_trials), trials_of(clean, task, n_trials), strict=True)
        for with_noise, without in pairs:
            durations, _, strengths, _, ob, gt = with_noise
            length[task, len(ob)] += 1
            answer[task, gt[-1]] += 1
            contrast[task, 100 + round(50 * (strengths[:, 0] - strengths[:, 1]).sum())] += 1
            assert (gt == without[5]).all()
            residual = (ob.astype(float) - without[4])[:, : 1 + 2 * RING]
            ends = np.cumsum(durations // noisy.unwrapped.dt)
            for period in range(5):
                part = residual[(ends[period - 1] if period else 0) : ends[period]]
                steps[task, period] += len(part)
                total[task, period] += part.sum(axis=0)
                squares[task, period] += (part**2).sum(axis=0)
    some = np.maximum(steps, 1)[:, :, None]
    return {
        "histogram_length": length,
        "histogram_answer": answer,
        "histogram_contrast": contrast,
        "noise_steps": steps,
        "noise_mean": (total / some).astype(np.float32),
        "noise_variance": (squares / some - (total / some) ** 2).astype(np.float32),
    }
