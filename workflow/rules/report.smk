# Figures and tables, by name. Each has a module of its own and reads results of other rules; all else that is known of
# it is a row in experiment/shown.py.
#
# Needs:  scores/, selections/, decompositions/, comparisons.csv, verdicts.csv, tickets, importance and records; scores
#         and comparisons of multi_task/ and adaptation/
# Makes:  results/figures/{figure}.pdf, .png
#         results/tables/{table}.csv, .md, .tex

from supertickets.experiment.shown import FIGURES, TABLES

# The report reads captions from the config: as params they would draw a figure again when a word changes.
config["captions"] = {name: shown.caption for name, shown in (FIGURES | TABLES).items()}


wildcard_constraints:
    figure=one_of(FIGURES),
    table=one_of(TABLES),


localrules:
    draw_figure,
    write_table,


def figure_function(wildcards):
    """The function that draws a figure."""
    return f"report.figures.{wildcards.figure}:draw_{wildcards.figure}"


def table_function(wildcards):
    """The function that writes a table."""
    return f"report.tables.{wildcards.table}:write_{wildcards.table}"


rule draw_figure:
    input:
        lambda wildcards: user_errors(FIGURES[wildcards.figure].inputs)(config),
    output:
        pdf=report(
            "results/figures/{figure}.pdf",
            caption="../report/caption.rst",
            category=lambda wildcards: FIGURES[wildcards.figure].category,
            labels={"figure": "{figure}"},
        ),
        png="results/figures/{figure}.png",
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
        csv=report(
            "results/tables/{table}.csv",
            caption="../report/caption.rst",
            category=lambda wildcards: TABLES[wildcards.table].category,
            labels={"table": "{table}"},
        ),
        md="results/tables/{table}.md",
        tex="results/tables/{table}.tex",
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
