import os

# Before anything imports torch: several processes that use every core each slow one another to a crawl.
os.environ.setdefault("OMP_NUM_THREADS", "1")

pytest_plugins = ["pytester"]
