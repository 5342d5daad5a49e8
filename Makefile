# Two commands on a bare machine: `make demo` and `make test`. Everything lives in .venv; only packages need the network.
SHELL := /bin/sh
.DEFAULT_GOAL := help

# Chinese text is UTF-8 whatever the machine's locale says.
export PYTHONUTF8 := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

BIN := .venv/bin
ONCE ?=
ARGS ?=

.PHONY: help setup demo serve test test-long lint types conformance bench readme lock clean

help: ## 列出命令 · list these commands
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1	\2/p' Makefile | expand -t 18

setup: ## 建立 .venv 并按锁定的哈希安装依赖 · make .venv with the locked dependencies
	@sh scripts/setup

demo: setup ## 演示主流程（ONCE=1 演完即止） · play the main job (ONCE=1 ends instead of serving)
	@$(BIN)/gateway demo $(if $(filter-out 0,$(ONCE)),--once) $(ARGS)

serve: setup ## 启动网关，不需要任何设置 · start the gateway, no settings needed
	@$(BIN)/gateway serve $(ARGS)

test: setup ## 测试，SQLite 与自带的 PostgreSQL · tests on SQLite and a PostgreSQL of its own
	$(BIN)/python -m pytest -n 2 -m "not long and not bench" $(ARGS)

test-long: setup ## 长测试 · the long tests
	$(BIN)/python -m pytest -n 2 -m "long" $(ARGS)

lint: setup ## 代码检查 · lint and format check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup ## 类型检查 · type check
	$(BIN)/mypy

conformance: setup ## 由他人所写的客户端与工具评判，输出矩阵 · judged by clients and tools that others wrote
	@sh scripts/conformance $(ARGS)

bench: setup ## 测量，输出比率 · measure, prints ratios
	@for file in tests/bench/[a-z]*.py; do \
	  name=$$(basename "$$file" .py); \
	  case "$$name" in conftest) continue;; esac; \
	  echo "== $$name"; $(BIN)/python -m "tests.bench.$$name" $(ARGS) || exit 1; \
	done

readme: setup ## 按代码更新两份 README 的设置表与命令表 · write the READMEs' tables from the code
	$(BIN)/python scripts/readme.py

lock: ## 重新解析依赖并写 requirements.lock · resolve the dependencies again
	@sh scripts/lock

clean: ## 删除 .venv 与缓存，不动数据 · remove .venv and caches, never data
	rm -rf .venv .hypothesis .mypy_cache .ruff_cache .pytest_cache build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
