# Functions of the search for settings.

#: Seeds that choices are judged with.
SEARCH_SEEDS = config["seeds"][: config["search"]["seeds"]]


def search(suffix):
    """Path pattern below the folder of a search, which is of one model, task and size."""
    return f"results/search/{{model}}/{{task}}/n{{train_size}}/{suffix}"


def unsearched(settings):
    """Settings without those that a search finds."""
    return {key: value for key, value in settings.items() if not config["search"].get(key)}


def get_searched_settings(wildcards):
    """A task's settings with those of one choice, to be judged on validation alone, as JSON."""
    settings = training_of(config, wildcards.model, wildcards.task)
    limit = {"evaluate": {"validation": settings["evaluate"]["validation"]}}
    return canonical_json(settings | CHOICES[wildcards.choice] | limit)


def get_searched(wildcards):
    """Scores of each seed and choice."""
    if not CHOICES:
        raise WorkflowError("search is empty: list values of a setting to choose from")
    names = {key: [value] for key, value in wildcards.items()}
    return expand(rules.search_run.output[0], seed=SEARCH_SEEDS, choice=list(CHOICES), **names)


def chosen():
    """What the search at the main size chose for a model and task, where the config has one."""
    main = config["train_sizes"][0]
    return {"chosen": search("chosen.json").replace("{train_size}", str(main))} if CHOICES else {}
