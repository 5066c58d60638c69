# Figures, tables and pages, by name. Each has a module of its own and reads results of other rules; all else that is
# known of it is a row in experiment/shown.py.
#
# Needs:  scores/, selections/, decompositions/, comparisons/, contrasts/, rivals/, int8/, comparisons.csv, verdicts.csv,
#         tickets, importance, predictions and records; scores and comparisons of multi_task/ and adaptation/; tasks/,
#         shapes of encoders, latency/
# Makes:  results/figures/{figure}.pdf, .png
#         results/tables/{table}.csv, .md, .tex, .html
#         results/pages/{page}.html

from supertickets.experiment.latency import latency_files
from supertickets.experiment.shown import FIGURES, PAGES, TABLES, everything, report_files, shown_grid


# What a browser says first of a report.
report: "../report/report.rst"


# The report reads captions from the config: as params they would draw a figure again when a word changes.
config["captions"] = {
    folder: {name: shown.caption for name, shown in rows.items()}
    for folder, rows in (("figures", FIGURES), ("tables", TABLES), ("pages", PAGES))
}


wildcard_constraints:
    figure=one_of(FIGURES),
    table=one_of(TABLES),
    page=one_of(PAGES),


localrules:
    draw_figure,
    write_table,
    write_page,


# Whether Snakemake is writing a report.
reporting = False


def create_report(*arguments, write=workflow.create_report, **options):
    """Write a report of the files that exist: Snakemake writes none while a file that its targets name is missing."""
    global reporting
    reporting = True
    write(*arguments, **options)


workflow.create_report = create_report


def get_everything(wildcards):
    """All figures, tables and pages that the experiment has the runs for; for a report, those that exist."""
    if not reporting:
        return [*everything(config), "results/scores.parquet"]
    if not (there := report_files(config)):
        raise WorkflowError("There is nothing to report yet: make figure, or snakemake --cores all, makes something.")
    return there


def shows_latency():
    """Whether pages show latency: where it is there, or is measured by the same call because everything is asked for.

    It takes longer than all else that a page needs, so no page asks for a first measurement. One that is there is
    measured again, like any input, where its tickets or settings have changed.
    """
    asked = {*workflow.dag_settings.targets} or {workflow.default_target}  # which has another name in a module
    everything_asked = not reporting and rules.all.rule.name in asked
    return everything_asked or all(map(os.path.exists, latency_files(config)))


def get_page_inputs(wildcards):
    """What a page is made from."""
    return [*PAGES[wildcards.page].inputs(config), *(latency_files(config) if shows_latency() else [])]


def figure_function(wildcards):
    """The function that draws a figure."""
    return f"report.figures.{wildcards.figure}:draw_{wildcards.figure}"


def table_function(wildcards):
    """The function that writes a table."""
    return f"report.tables.{wildcards.table}:write_{wildcards.table}"


def page_function(wildcards):
    """The function that writes a page."""
    return f"report.pages.{wildcards.page}:write_{wildcards.page}"


rule draw_figure:
    input:
        lambda wildcards: user_errors(FIGURES[wildcards.figure].inputs)(config),
    output:
        pdf="results/figures/{figure}.pdf",
        png=report(
            "results/figures/{figure}.png",
            caption="../report/caption.rst",
            category=lambda wildcards: FIGURES[wildcards.figure].category,
            labels={"shown": "figure {figure}"},
        ),
    log:
        "results/logs/figures/{figure}.log",
    benchmark:
        "results/benchmarks/figures/{figure}.tsv"
    conda:
        "../../envs/supertickets.yaml"
    params:
        work=figure_function,
        code=lambda wildcards: code_of(figure_function(wildcards)),
        grid=lambda wildcards: canonical_json(shown_grid(config, FIGURES[wildcards.figure].scope)),
        settings=lambda wildcards: options(FIGURES[wildcards.figure].options(config)),
    shell:
        "python -P -m supertickets {params.work} --results results --grid {params.grid:q} {params.settings}"
        " --pdf {output.pdf:q} --png {output.png:q} > {log:q} 2>&1"


rule write_table:
    input:
        lambda wildcards: user_errors(TABLES[wildcards.table].inputs)(config),
    output:
        csv="results/tables/{table}.csv",
        md="results/tables/{table}.md",
        tex="results/tables/{table}.tex",
        html=report(
            "results/tables/{table}.html",
            caption="../report/caption.rst",
            category=lambda wildcards: TABLES[wildcards.table].category,
            labels={"shown": "table {table}"},
        ),
    log:
        "results/logs/tables/{table}.log",
    benchmark:
        "results/benchmarks/tables/{table}.tsv"
    conda:
        "../../envs/supertickets.yaml"
    params:
        work=table_function,
        code=lambda wildcards: code_of(table_function(wildcards)),
        grid=lambda wildcards: canonical_json(shown_grid(config, TABLES[wildcards.table].scope)),
        settings=lambda wildcards: options(TABLES[wildcards.table].options(config)),
    shell:
        "python -P -m supertickets {params.work} --results results --grid {params.grid:q} {params.settings}"
        " --csv {output.csv:q} --md {output.md:q} --tex {output.tex:q} > {log:q} 2>&1"


rule write_page:
    input:
        get_page_inputs,
    output:
        report(
            "results/pages/{page}.html",
            caption="../report/caption.rst",
            category="Experiment",  # the first by the alphabet, which menus of reports go by
            labels=lambda wildcards: {"shown": PAGES[wildcards.page].label or wildcards.page},
        ),
    log:
        "results/logs/pages/{page}.log",
    benchmark:
        "results/benchmarks/pages/{page}.tsv"
    conda:
        "../../envs/supertickets.yaml"
    params:
        work=page_function,
        code=lambda wildcards: code_of(page_function(wildcards)),
        grid=lambda wildcards: canonical_json(shown_grid(config, PAGES[wildcards.page].scope)),
        settings=lambda wildcards: options(PAGES[wildcards.page].options(config)),
        measured=lambda wildcards: "--measured" if shows_latency() else "--no-measured",
    shell:
        "python -P -m supertickets {params.work} --results results --grid {params.grid:q} {params.settings}"
        " {params.measured} --html {output:q} > {log:q} 2>&1"
