"""What is different in the other world: a revision as `adjudge activate` takes it, applied to whatever was active."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from adjudge.define import Policy
from adjudge.define.spec import POLICY
from adjudge.engine.plan import Plan
from adjudge.errors import InputError
from adjudge.learn import bundle
from adjudge.learn.bundle import Bundle
from adjudge.service.activation import SystemActivation
from adjudge.service.bundles import Bundles
from adjudge.service.columns import plan_of
from adjudge.service.resolver import Resolver
from adjudge.service.versions.revision import Revision, revised


@dataclass(frozen=True)
class Change:
    """What is different in the other world; what it does not name stays as it was at each moment.

    Parameters
    ----------
    revision
        Lists, rules, policy, bundle and definitions, as for an activation.
    thresholds
        Value strictly above which an action is taken, for some actions; those that are not named keep theirs.

    Raises
    ------
    InputError
        If nothing is different.
    """

    revision: Revision
    thresholds: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.parts:
            message = "say what is different: rules, policy, thresholds, bundle, definitions or lists"
            raise InputError(message, code="missing_field")

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of what is different."""
        return (*self.revision.parts, *(("thresholds",) if self.thresholds else ()))

    def ready(self, bundles: Beside) -> Change:
        """Return the same with its bundle read, and named by its id; `BundleError` if there is none."""
        if not self.revision.bundle:
            return self
        return Change(msgspec.structs.replace(self.revision, bundle=bundles.add(self.revision.bundle)), self.thresholds)

    def applied(self, plan: Plan, bundles: Bundles) -> Plan:
        """Return what becomes of a plan; `InputError` names the field of what is wrong.

        Parameters
        ----------
        plan
            The system as it was active.
        bundles
            Where models are.
        """
        if not self.thresholds:
            return revised(plan, self.revision, bundles)
        base = revised(plan, self.revision, bundles) if self.revision.parts else plan
        policy = with_thresholds(base, self.thresholds)
        return revised(base, Revision(self.revision.why, base.system.name, policy=policy), bundles)


def with_thresholds(plan: Plan, thresholds: Mapping[str, float]) -> dict[str, object]:
    """Return the policy of a plan with some thresholds moved, as a document."""
    policy: Policy = plan.policy
    if policy.bands or policy.by_cost:
        how = "bands of the score" if policy.bands else "expected cost"
        message = f"the policy decides by {how} and not by thresholds: say all of it with --policy"
        raise InputError(message, field="thresholds", code="bad_definition")
    try:
        ordered = sorted(
            {**plan.thresholds, **policy.thresholds, **thresholds}.items(),
            key=lambda item: policy.severity(item[0], place="thresholds"),
        )
    except Exception as error:
        raise InputError(str(error), field="thresholds", code="bad_definition") from error
    document: dict[str, object] = POLICY.write(policy, "policy")
    return {**document, "thresholds": [list(pair) for pair in ordered]}


class Beside(Bundles):
    """The bundles of a workspace, and some that lie elsewhere: they are read where they lie, and nothing is copied.

    Parameters
    ----------
    kept
        Those of the workspace.
    """

    def __init__(self, kept: Bundles) -> None:
        super().__init__(kept.folder, kept.secret, kept.home)
        self._given: dict[str, Bundle] = {}

    def add(self, reference: str) -> str:
        """Return the id of the bundle that a path or an id means.

        Parameters
        ----------
        reference
            Its id, the path of its directory, or that path from the workspace's folder on.

        Raises
        ------
        BundleError
            If there is no such bundle, or it is damaged.
        """
        homes = [Path(reference), *(() if self.home is None else (self.home / reference,))]
        for path in homes:
            if path.is_dir():
                found = bundle.read(path, self.secret)
                self._given[found.id] = found
                return found.id
        return self.find(reference).id

    def find(self, reference: str) -> Bundle:
        """Return a bundle by its id; it is not kept by that."""
        return self.read(reference)

    def read(self, id_: str) -> Bundle:
        """Return a bundle by its id; `BundleError` if there is none, or it is damaged."""
        return self._given[id_] if id_ in self._given else super().read(id_)


class Otherwise:
    """Makes the plan that decides in the other world from what an activation says.

    Parameters
    ----------
    change
        What is different.
    bundles
        Where models are.
    """

    def __init__(self, change: Change, bundles: Beside) -> None:
        self._change, self._bundles = change, bundles
        self._resolver = Resolver(bundles=bundles)
        self._made: dict[bytes, Plan] = {}

    def plan(self, active: SystemActivation) -> Plan:
        """Return the plan; `NotRestoredError` if what was active and stays cannot be made again.

        Parameters
        ----------
        active
            What was active then.
        """
        key = msgspec.json.encode(active)
        if key not in self._made:
            self._made[key] = self._change.applied(self._base(active), self._bundles)
        return self._made[key]

    def _base(self, active: SystemActivation) -> Plan:
        """Return what was active; without its model where the other world has one of its own, as that may be gone."""
        if self._change.revision.bundle:
            return plan_of(active, self._bundles.secret)
        return self._resolver.plan(active)
