"""Loaded by Python before a bot that smaster's agent has started, since its folder is the first in PYTHONPATH. Lets
smaster_hooks.py wait for a Discord library, then runs the sitecustomize that Python would otherwise have loaded. Without
the agent it does nothing."""
import os
import sys
from importlib import machinery, util

_here = os.path.dirname(os.path.abspath(__file__))


def _load(spec, name):
    module = util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


if os.environ.get("SMASTER_HOOKS") == "1":
    try:
        _load(util.spec_from_file_location("smaster_hooks", os.path.join(_here, "smaster_hooks.py")), "smaster_hooks")
    except Exception as error:  # a bot must start even if the hooks fail
        print(f"smaster: the hooks cannot be loaded: {error}", file=sys.stderr)

sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder or ".") != _here]
_next = machinery.PathFinder.find_spec("sitecustomize", sys.path)
if _next is not None:
    _load(_next, "sitecustomize")
