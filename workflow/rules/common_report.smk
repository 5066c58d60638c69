# Functions of figures and tables: what each is made from.

PUBLISHED = yaml.safe_load((WORKFLOW / "published.yaml").read_text(encoding="utf-8"))


def published(tasks=config["tasks"]):
    """The published numbers that results on some tasks can be held against, by model.

    They are of the catalogue's own models and tasks, all of their training examples and all of the development sets.
    """
    if config["train_sizes"][0] != "all" or config["evaluate"]["validation"] != "all":
        return {}
    named = {"models": config["models"], "tasks": tasks}
    own = {
        part: [name for name in names if DEFINED[part][name] == CATALOGUED[part].get(name)]
        for part, names in named.items()
    }
    return {
        name: PUBLISHED[name]
        for name in own["models"]
        if name in PUBLISHED and {*own["tasks"]} & {*PUBLISHED[name]["tasks"]}
    }


def get_category(scope):
    """The part of the report that a figure or table of a part of the grid stands in."""
    return "Several tasks" if scope == "joint" else "Single task"


def get_group_files(scope, folder):
    """What was computed from each group of a part of the grid."""
    groups = groups_of(scoped(GRID, scope))
    if folder != "scores":
        return [f"results/{folder}/{group_file(group)}.csv" for group in groups]
    return [f"results/{folder}/{group_file(group)}.parquet" for group in groups]


def get_scope(scope):
    """A part of the grid, as JSON."""
    if scope == "joint":
        return canonical_json({**scoped(GRID, "main"), "tasks": JOINT_TASKS})
    return canonical_json(scoped(GRID, scope))


def get_figure_inputs(wildcards):
    """What a figure is drawn from."""
    scope = FIGURES[wildcards.figure]
    if wildcards.figure == "tickets_sharing":
        names = {"model": config["models"], "seed": config["seeds"]}
        return expand(rules.share_tickets.output[0], mode=needed_mode("super"), **names)
    if wildcards.figure == "ticket_importance":
        weights = pruning_of(config, "winning")["weights"]
        names = {"model": config["models"], "seed": config["seeds"], "task": JOINT_TASKS}
        scores = expand(rules.importance.output[0], train_size=config["train_sizes"][0], weights=weights, **names)
        return [*scores, *expand(rules.fetch_model.output.shape, model=config["models"])]
    if wildcards.figure == "bias_variance":
        return get_group_files(scope, "decompositions")
    chosen = get_group_files("sizes" if scope == "sizes" else "main", "selections")
    if wildcards.figure == "single_task_gain":
        return chosen
    if wildcards.figure == "ticket_masks":
        tickets = (run for run in runs_of(scoped(GRID, scope)) if run["kind"] != "full")
        return [*chosen, *(f"results/{ticket_file(run)}" for run in tickets)]
    return [*chosen, *get_group_files(scope, "scores")]


def get_table_inputs(wildcards):
    """What a table is made from."""
    scope = TABLES[wildcards.table]
    if wildcards.table == "tasks":
        return [*get_group_files(scope, "scores"), *(f"results/tasks/{task}.parquet" for task in config["tasks"])]
    if wildcards.table == "hyperparameters":
        full = (run for run in runs_of(scoped(GRID, scope)) if run["kind"] == "full")
        return [path for path in files_of(full) if path.endswith(".json")]
    if wildcards.table == "published":
        if not published():
            tasks = ", ".join(dict.fromkeys(task for numbers in PUBLISHED.values() for task in numbers["tasks"]))
            raise WorkflowError(
                f"published numbers are of the catalogue's models {', '.join(PUBLISHED)} and tasks {tasks}, of all "
                f"examples; this config has models {config['models']}, tasks {config['tasks']}, train_sizes "
                f"{config['train_sizes']} (all has to be the first) and evaluate.validation "
                f"{config['evaluate']['validation']} (has to be all)"
            )
        return [*get_group_files(scope, "selections"), *get_group_files(scope, "scores")]
    if wildcards.table == "multi_task_dev":
        return expand([rules.score_multi_task.output[0], rules.compare_multi_task.output[0]], model=config["models"])
    if wildcards.table == "domain_adaptation":
        return expand([rules.score_adaptation.output[0], rules.compare_adaptation.output[0]], model=config["models"])
    if wildcards.table == "single_task_dev":
        return [*rules.judge.output, *get_group_files(scope, "comparisons")]
    if wildcards.table == "sweep":
        return [rules.aggregate.output.comparisons, *get_group_files(scope, "scores")]
    if wildcards.table == "seed_sensitivity":
        return [*rules.judge.output, *get_group_files(scope, "scores"), *other_scores()]
    return rules.judge.output[0]


def other_scores():
    """Scores of training on several tasks and of what goes on from there, where the config has both full and super."""
    patterns = []
    if len(JOINT_TASKS) > 1 and {"full", "super"} <= {*JOINT["modes"]}:
        patterns.append(rules.score_multi_task.output[0])
        if ADAPTED["tasks"] and {("full", "full"), ("super", "full")} <= {*starts()}:
            patterns.append(rules.score_adaptation.output[0])
    return expand(patterns, model=config["models"])


def get_figure_settings(wildcards):
    """What a figure shows of the config, for the command line."""
    if wildcards.figure == "ticket_importance":
        how = pruning_of(config, "winning")
        shown = canonical_json({"method": how["importance"], "weights": how["weights"]})
        return f"--importance {shlex.quote(shown)}"
    return ""


def get_table_settings(wildcards):
    """What a table shows of the config, for the command line."""
    if wildcards.table == "tasks":
        keys = ("type", "labels", "metrics")
        tasks = {task: DEFINED["tasks"][task] for task in config["tasks"]}
        shown = {task: {key: entry[key] for key in keys if key in entry} for task, entry in tasks.items()}
        return f"--definitions {shlex.quote(canonical_json(shown))}"
    if wildcards.table == "hyperparameters":
        shown = {kind: pruning_of(config, kind) for kind in config["kinds"]}
        return f"--max-length {config['max_length']} --pruning {shlex.quote(canonical_json(shown))}"
    if wildcards.table == "published":
        return f"--published {shlex.quote(canonical_json(published()))}"
    if wildcards.table == "multi_task_dev":
        given = shlex.quote(canonical_json(list(JOINT["ratios"])))
        return f"--ratios {given} --published {shlex.quote(canonical_json(published(JOINT_TASKS)))}"
    if wildcards.table == "domain_adaptation":
        return f"--shared {shlex.quote(canonical_json(JOINT_TASKS))}"
    if wildcards.table == "seed_sensitivity":
        return f"--others {shlex.quote(canonical_json(other_scores()))}"
    return ""


def get_everything(wildcards):
    """All figures and tables that the config has the runs for."""
    needs = {
        "bias_variance": len(config["seeds"]) > 1,
        "ticket_kinds": len(config["kinds"]) > 1,
        "data_size": len(config["train_sizes"]) > 1,
        "published": bool(published()),
        "multi_task_dev": len(JOINT_TASKS) > 1 and "full" in JOINT["modes"],
        "tickets_sharing": len(JOINT_TASKS) > 1 and "super" in JOINT["modes"],
        "ticket_importance": len(JOINT_TASKS) > 1,
        "domain_adaptation": bool(ADAPTED["tasks"] and starts()) and len(JOINT_TASKS) > 1,
    }
    figures = [f"results/figures/{name}.pdf" for name in FIGURES if needs.get(name, True)]
    return [*figures, *(f"results/tables/{name}.csv" for name in TABLES if needs.get(name, True))]
