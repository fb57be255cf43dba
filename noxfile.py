"""What CI runs. `nox` runs all of it, `nox -s NAME` one session, `nox -l` lists them."""

import os
import shutil
from pathlib import Path

import nox

PYTHONS = ["3.11", "3.12", "3.13", "3.14", "3.15"]
TOOLS = "3.13"  # what the tools run on
MEASURED = (PYTHONS[0], TOOLS, PYTHONS[-1])  # between them they take every branch
IN_PARALLEL = ["-n", "3", "--dist", "loadfile"]  # they wait more than they compute

# Where `.ci/install-pythons` puts those that the system does not have.
os.environ["PATH"] += os.pathsep + str(Path(__file__).parent / ".cache" / "pythons" / "bin")

# The one without the GIL; `.ci/build-free-threaded` builds 3.13.
FREE_THREADED = "3.14t" if shutil.which("python3.14t") else "3.13t"
# What has no wheel for it, or would bring the GIL back. Tests that need these are skipped.
WITH_GIL = ("asyncpg", "eventlet", "gevent", "mypy", "uvloop")

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "virtualenv"  # Debian's interpreters have no ensurepip
nox.options.error_on_missing_interpreters = True

PYPROJECT = nox.project.load_toml("pyproject.toml")


def group(name: str) -> list[str]:
    """Return the requirements of a dependency group."""
    return list(nox.project.dependency_groups(PYPROJECT, name))


@nox.session(python=TOOLS)
def lint(session: nox.Session) -> None:
    """Check style, formatting and the layers of the package."""
    session.install(*group("lint"), ".")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check", "--diff")
    session.run("lint-imports", "--no-cache")


@nox.session(python=TOOLS)
def types(session: nox.Session) -> None:
    """Check the whole tree with mypy, and the typing cases and the package with six checkers."""
    session.install(*group("types"), *group("docs"), "nox", ".[bench,dask,frameworks,test]")
    session.run("mypy")
    session.run("python", "tests/typesafety/checkers.py", *session.posargs)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests. On some versions, collect their coverage."""
    session.install("-e", ".[test]")
    command = ["-m", "pytest", *(session.posargs or IN_PARALLEL)]
    if session.python in MEASURED:
        session.env["COVERAGE_FILE"] = f".coverage.{session.python}"
        command = ["-m", "coverage", "run", *command]
    session.run("python", *command)


@nox.session(python=False, default=False)
def free_threaded_python(session: nox.Session) -> None:
    """Build a Python without the GIL, where there is none."""
    if shutil.which(f"python{FREE_THREADED}") is None:
        session.run(".ci/build-free-threaded", external=True)


@nox.session(
    name="free-threaded",
    python=FREE_THREADED,
    default=False,
    requires=["free_threaded_python"],
)
def free_threaded(session: nox.Session) -> None:
    """Run the tests without the GIL, and the races, which are millions of futures then."""
    extras = PYPROJECT["project"]["optional-dependencies"]
    packages = [
        name for extra in ("examples", "integration", "test", "twin") for name in extras[extra]
    ]
    there = [name for name in packages if not name.startswith(("aiofutures", *WITH_GIL))]
    session.install("--only-binary", ":all:", "-e", ".", *there)
    session.env["PYTHON_GIL"] = "0"
    session.run("python", "-m", "pytest", *(session.posargs or IN_PARALLEL))
    if not session.posargs:
        session.env["STRESS_ROUNDS"] = os.environ.get("STRESS_ROUNDS", "10")
        # Its dump of the threads that run is not safe without the GIL, and all of this takes long.
        quiet = ["-o", "faulthandler_timeout=0"]
        session.run("python", "-m", "pytest", "--slow", *quiet, "tests/stress")


@nox.session(python=TOOLS)
def asgiref(session: nox.Session) -> None:
    """Run the tests with the oldest asgiref; `tests` takes the newest."""
    session.install("-e", ".[test]", "asgiref==3.8.*")
    session.run("python", "-m", "pytest", "tests/common/test_asgiref.py", *session.posargs)


@nox.session(python=TOOLS)
def frameworks(session: nox.Session) -> None:
    """Run the tests with web frameworks, task queues, notebooks and SDKs, the newest of each."""
    session.install("-e", ".[frameworks,test]")
    command = session.posargs or ["-n", "2", "--dist", "loadfile", "tests/frameworks"]
    session.run("python", "-m", "pytest", *command)


@nox.session(python=TOOLS)
@nox.parametrize("distributed", ["newest", "2025.3"])
def cluster(session: nox.Session, distributed: str) -> None:
    """Run the tests of `aiofutures.dask`, also with the oldest version of Dask that it takes."""
    version = [] if distributed == "newest" else [f"distributed=={distributed}.*"]
    session.install("-e", ".[dask,test]", *version)
    session.env["COVERAGE_FILE"] = f".coverage.cluster-{distributed}"
    command = ["-m", "coverage", "run", "-m", "pytest", "tests/clusters"]
    command += ["tests/test_documentation.py", "tests/test_typesafety.py"]
    session.run("python", *command, *(session.posargs or IN_PARALLEL))


@nox.session(python=TOOLS)
def stress(session: nox.Session) -> None:
    """Run the tests that take long, a few rounds of each race."""
    session.install("-e", ".[dask,test]")
    # A child of a process that has threads of Dask's may wait for a lock that one of them held.
    clusters = "tests/clusters"
    for tests in ([f"--ignore={clusters}"], ["-n", "2", clusters]):
        session.run("python", "-m", "pytest", "--slow", "-m", "slow", *tests, *session.posargs)


@nox.session(python=TOOLS)
def twins(session: nox.Session) -> None:
    """Call whole clients through their twins."""
    session.install(*group("twins"), "-e", ".[test]")
    session.run("python", "-m", "pytest", "tests/twins/test_libraries.py", *session.posargs)


@nox.session(python=TOOLS, default=False)
def exactness(session: nox.Session) -> None:
    """See how exact the stubs of twins are, in six checkers; this takes some minutes."""
    session.install(*group("types"), *group("twins"), "-e", ".[test]")
    session.run("python", "tests/twins/exactness.py", *session.posargs)


@nox.session(python=TOOLS)
def coverage(session: nox.Session) -> None:
    """Put what was measured together, of `tests` and `cluster`: every branch has run."""
    session.install("coverage[toml]")
    session.run("coverage", "combine")
    session.run("coverage", "report")


@nox.session(python=TOOLS)
def package(session: nox.Session) -> None:
    """Build the package, look into it, and use the built wheel."""
    session.install(*group("package"))
    shutil.rmtree("dist", ignore_errors=True)
    session.run("python", "-m", "build")
    files = [str(path) for path in sorted(Path("dist").iterdir())]
    wheel = next(path for path in files if path.endswith(".whl"))
    session.run("twine", "check", "--strict", *files)
    session.run("check-wheel-contents", "--package", "aiofutures", wheel)
    session.install(wheel)
    session.cd(session.create_tmp())  # away from the source tree
    program = (
        "import aiofutures as a, asyncio; print(a.run_async(asyncio.sleep, 0, 'works').result())"
    )
    session.run("python", "-W", "error", "-c", program)


@nox.session(python=TOOLS)
def docs(session: nox.Session) -> None:
    """Build the documentation; a broken reference is an error. Then look at it in a browser."""
    session.install(*group("docs"), ".[dask,test]")
    shutil.rmtree("docs/_build", ignore_errors=True)
    session.run("sphinx-build", "-W", "--keep-going", "-n", "-q", "docs", "docs/_build/html")
    session.run("python", "-m", "pytest", "-rs", "tests/test_site.py")


@nox.session(python=TOOLS)
def benchmarks(session: nox.Session) -> None:
    """Run a short pass of the benchmarks and one of the faults; all of them take minutes."""
    session.install(".[bench]")
    session.run("python", "-m", "benchmarks", *(session.posargs or ["--quick"]))
    session.run("python", "-m", "faults", "own_loop")
