import atexit
import os
import shutil
import signal
import sys
import tempfile

# Before anything imports torch: several processes that use every core each slow one another to a crawl.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Before a process is started: there are many, and each would compile anew what none of them may keep.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Before anything asks where it is: the tests have a cache folder of their own, and so have the processes that
# they start. The workers of pytest-xdist take their controller's.
if "PYTEST_XDIST_WORKER" not in os.environ:
    _cache = tempfile.mkdtemp(prefix="vlmrobust-tests-")
    atexit.register(shutil.rmtree, _cache, ignore_errors=True)
    os.environ.update(XDG_CACHE_HOME=_cache, LOCALAPPDATA=_cache)

# A shell that starts the tests in the background has them ignore Ctrl-C, and their children with them.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
