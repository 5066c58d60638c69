# Functions of the search for settings.


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


def searched(wildcards):
    """Scores of each seed, by choice."""
    pattern = rules.search_run.output[0]
    seeds = config["seeds"][: config["search"]["seeds"]]
    return {name: [pattern.format(seed=seed, choice=name, **wildcards) for seed in seeds] for name in CHOICES}


def get_searched(wildcards):
    """The same, as a rule's input."""
    return [path for paths in searched(wildcards).values() for path in paths]


def get_searched_by_choice(wildcards):
    """The same as JSON."""
    return canonical_json(searched(wildcards))


def chosen():
    """What the search at the main size chose for a model and task, where the config has one."""
    main = config["train_sizes"][0]
    return {"chosen": search("chosen.json").replace("{train_size}", str(main))} if CHOICES else {}
