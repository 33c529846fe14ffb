"""Steps of the random network that convict, or try to: second outputs, forged notes, canaries good and bad."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from tests.core.network import Who
from tests.core.proofs import canaries, evidence, fork, second_output
from trust.client.canaries import Canaries
from trust.core import payloads as p
from trust.core.commands import Spoken
from trust.core.records import Claim, Task

if TYPE_CHECKING:
    from tests.core.steps import Steps

WITHIN_MS = (2_000, 60_000, 600_000)


def promise(steps: Steps, rng: Random) -> None:
    """The operator commits to answers about some tasks, now and then to both of them about one.

    Half of the time the work is its own: posted and claimed an epoch later.
    """
    net = steps.net
    if rng.randrange(2):
        _plant(steps, rng)
        return
    workers = [steps.scene.worker, steps.scene.worker, steps.scene.rival]
    still_open = [task.id for task in net.all(Task) if task.state == "open"]
    tasks = still_open or [f"t{number}" for number in range(6)]
    answers = [
        (rng.choice(tasks), rng.choice(workers), rng.choice(["pass", "fail"]))
        for _ in range(rng.randint(1, 3))
    ]
    secrets = canaries(answers, net.now_ms + rng.choice(WITHIN_MS), salt=f"{len(net.entries)}")
    if steps.say(p.CanaryCommit, net.operator, **secrets.commitment()):
        steps.promised.append(secrets)


def _plant(steps: Steps, rng: Random) -> None:
    net, worker = steps.net, steps.scene.worker
    task = f"planted-{len(net.entries)}"
    secrets = canaries([(task, worker, rng.choice(["pass", "fail"]))], net.now_ms + 600_000, salt=task)
    if steps.say(p.CanaryCommit, net.operator, **secrets.commitment()):
        steps.promised.append(secrets)
        net.tick(net.policy.verifiers.epoch_ms)
        if steps.say(p.TaskPost, steps.scene.requester, **steps.scene.terms(task)):
            steps.attempt(steps.scene.request(task, worker))


def open_canary(steps: Steps, rng: Random) -> None:
    """Opens a leaf of some promise: mostly of a claim that has its verdict, where there is one."""
    leaves = [(secrets, answer) for secrets in steps.promised for answer in secrets.answers]
    decided = [claim for claim in steps.net.all(Claim) if claim.state in ("passing", "failing")]
    work = {(claim.task, claim.worker) for claim in decided}
    timely = [leaf for leaf in leaves if (leaf[1].task, leaf[1].worker) in work]
    if timely and rng.randrange(8):
        leaves = timely
    elif rng.randrange(4):
        return
    if leaves:
        secrets, answer = rng.choice(leaves)
        steps.attempt(_opening(steps, secrets, answer.number))


def _opening(steps: Steps, secrets: Canaries, number: int) -> Spoken:
    net, answer = steps.net, secrets.answers[number]
    task = net.draft.get(Task, answer.task)
    dids = [task.requester, answer.worker] if task else []
    others = [net.people[did] for did in dict.fromkeys(dids)]
    return net.statement(p.CanaryOpen, net.operator, *others, **secrets.opening(number))


def show(steps: Steps, rng: Random) -> None:
    """Shows evidence: of two outputs, of a fork, of two canaries."""
    kind = rng.choice([_two_outputs, _two_outputs, _two_outputs, _two_answers, _two_logs])
    kind(steps, rng, rng.choice(list(steps.net.people.values())))


def _two_outputs(steps: Steps, rng: Random, reporter: Who) -> None:
    outputs = [said for said in steps.said if isinstance(said.payload, p.OutputSubmit)]
    if not outputs or rng.randrange(4):
        return
    first = rng.choice(outputs)
    assert isinstance(first.payload, p.OutputSubmit)
    claim = steps.net.get(Claim, first.payload.claim)
    count = steps.net.get(Task, claim.task).items_count
    steps.scene.batch = None
    if count:
        steps.scene.batch_task(count)
    issued_ms = steps.net.now_ms + rng.choice([-60_000, 1, 1])
    second = second_output(steps.scene, claim.id, issued_ms=issued_ms)
    steps.attempt(evidence(steps.scene, reporter, "equivocation", first, second))


def _two_answers(steps: Steps, rng: Random, reporter: Who) -> None:
    if steps.promised:
        secrets = rng.choice(steps.promised)
        one, other = (_opening(steps, secrets, rng.randrange(len(secrets.answers))) for _ in range(2))
        steps.attempt(evidence(steps.scene, reporter, "canary", one, other))


def _two_logs(steps: Steps, rng: Random, reporter: Who) -> None:
    if rng.randrange(6) == 0:
        notes = fork(steps.net, size=rng.randrange(1, 4))
        steps.attempt(evidence(steps.scene, reporter, "log-fork", notes=notes))
