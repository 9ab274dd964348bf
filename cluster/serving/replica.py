"""One replica: a process with both generators on its share of a node's cores, behind Ray Serve's proxy."""

import logging
from typing import Any

import ray
from fastapi import FastAPI
from ray import serve

from cluster.hardware.affinity import bind_process
from cluster.serving.app import make_app
from cluster.serving.page import read_page
from cluster.serving.settings import ServiceSettings
from cyclegan.import_tensorflow import import_tensorflow
from ringcycle.errors import UserError


class TranslationReplica:
    """What Ray Serve makes a deployment of."""

    def __init__(self, settings: list[Any], cpus: int) -> None:
        """settings: one reference to `ServiceSettings`, in a list so that it is not resolved on the way. cpus: what Ray gives it."""
        logging.basicConfig(level=logging.INFO)  # into Ray's files
        self._mistake = ""
        found: ServiceSettings = ray.get(settings[0])
        self._bind(cpus)
        import_tensorflow(3)
        try:
            self._app = _app(found)
        except UserError as error:
            self._mistake, self._app = str(error), FastAPI()

    def __serve_build_asgi_app__(self) -> FastAPI:
        return self._app

    def mistake(self) -> str:
        """Why it cannot translate, in one line for the user; empty if it can."""
        return self._mistake

    @staticmethod
    def _bind(cpus: int) -> None:
        """Bind this process to cores of its own, among as many replicas as its node has room for."""
        here = ray.get_runtime_context().get_node_id()
        total = next(int(node["Resources"].get("CPU", cpus)) for node in ray.nodes() if node["NodeID"] == here)
        replicas = max(1, total // cpus)
        share = bind_process(serve.get_replica_context().rank.local_rank % replicas, replicas, cpus)
        from cluster.worker.strategy import set_threads

        set_threads(len(share.compute))


def _app(settings: ServiceSettings) -> FastAPI:
    from cluster.serving.service import TranslationService

    return make_app(TranslationService(settings), settings, read_page())
