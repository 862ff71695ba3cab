# `just` lists what there is to do.
default:
    @just --list

# Make the environment for development
setup:
    python3 -m venv .venv
    .venv/bin/pip install --quiet --constraint constraints.txt --editable '.[test]'

# Serve on http://127.0.0.1:8000
run: setup
    .venv/bin/parley run

# Everything that CI checks
ci:
    bash .ci/run

# Tests, or some of them: just test tests/unit
test *arguments:
    .venv/bin/pytest {{arguments}}

# The fault tests in full: 20 kills of workers under 500 replies, 5 kills of Redis, 5 emptyings of it
faults:
    FAULTS=long .venv/bin/pytest tests/faults tests/outages tests/contracts/test_event_orders.py tests/contracts/test_event_orders_over_prices.py tests/contracts/test_tree_machine.py

# The tests under every Python that parley supports
pythons:
    for version in 3.11 3.12 3.13; do \
        python$version -m venv .venv-$version \
        && .venv-$version/bin/pip install --quiet --constraint constraints.txt --editable '.[test]' \
        && .venv-$version/bin/pytest -n 2 --dist loadfile --no-loadscope-reorder || exit 1; \
    done

# Benchmarks, against limits measured in the same run: under 10 minutes; see benchmarks/README.md
bench *arguments:
    python3 -m venv .venv
    .venv/bin/pip install --quiet --constraint constraints.txt --editable '.[test]'
    .venv/bin/python -m benchmarks {{arguments}}
    python3 -m venv .venv-plot
    .venv-plot/bin/pip install --quiet matplotlib==3.11.2
    .venv-plot/bin/python -m benchmarks.plot {{arguments}}

# The Postman collection against a running server
postman address="http://127.0.0.1:8000": setup
    .venv/bin/python -m tests.postman.newman {{address}}

# Formatting, style, types and the import contracts
lint:
    .venv/bin/ruff format .
    .venv/bin/ruff check --fix .
    .venv/bin/mypy
    .venv/bin/lint-imports

# Pin every version again, after a change of the dependencies
pin:
    rm -rf .venv && python3 -m venv .venv
    .venv/bin/pip install --quiet --editable '.[test,ci]'
    .venv/bin/pip freeze --exclude-editable > constraints.txt

# Write docs/openapi.json
openapi:
    .venv/bin/parley openapi > docs/openapi.json

# Schemathesis at its full depth, with another seed each time
schema:
    SCHEMA=long .venv/bin/pytest tests/schema

# Build the container image; see docs/containers.md
image:
    docker build --file Containerfile --tag parley .
