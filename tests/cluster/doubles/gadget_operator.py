"""The operator of package `gadgets`: puts its finalizer on every Gadget, and removes it when one is deleted.

Many operators of the catalogue are so: their own custom resources can be deleted only while they run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

from tests.cluster.api import Object
from tests.cluster.doubles.catalog import GADGETS
from tests.cluster.doubles.runtime import AsyncApi, Informer, Key, Queue, key_of, run

FINALIZER = f"{GADGETS}/clean-up"


class GadgetOperator:
    """The controller of Gadget."""

    def __init__(self, api: AsyncApi) -> None:
        self.api = api
        self.gadgets = Informer(api, f"{GADGETS}/v1", "Gadget")
        self.queue = Queue("Gadget", self.reconcile)

    async def run(self) -> None:
        """Runs until cancelled."""
        self.gadgets.on_change(lambda new, old: self.queue.add(key_of(new)) if new else None)
        print(json.dumps({"ready": True}), flush=True)
        await asyncio.gather(self.gadgets.run(), self.queue.run())

    async def reconcile(self, key: Key) -> float | None:
        """One look at one Gadget."""
        gadget = self.gadgets.get(key[1], key[0])
        if gadget is None:
            return None
        finalizers = gadget["metadata"].get("finalizers", [])
        wanted = [one for one in finalizers if one != FINALIZER]
        if "deletionTimestamp" not in gadget["metadata"]:
            wanted.append(FINALIZER)
        if wanted != finalizers:
            metadata: Object = {"finalizers": wanted, "resourceVersion": gadget["metadata"]["resourceVersion"]}
            await self.api.patch({"apiVersion": f"{GADGETS}/v1", "kind": "Gadget", **gadget}, {"metadata": metadata})
        return None


async def main() -> None:
    """Runs the operator."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--volumes", type=Path)
    await GadgetOperator(AsyncApi(parser.parse_args().kubeconfig, manager="gadget-operator")).run()


if __name__ == "__main__":
    run(main)
