# Figures and tables, by name. Each has a script of its own and reads what other rules have computed.
#
# Needs:  scores/, selections/, decompositions/, comparisons.csv, verdicts.csv, tickets, importance and records; scores
#         and comparisons of multi_task/ and adaptation/
# Makes:  results/figures/{figure}.pdf, .png
#         results/tables/{table}.csv, .md, .tex


localrules:
    figure,
    table,


rule figure:
    input:
        get_figure_inputs,
    output:
        pdf=report(
            "results/figures/{figure}.pdf",
            caption="../report/figure.rst",
            category=lambda wildcards: get_category(FIGURES[wildcards.figure]),
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
        grid=lambda wildcards: get_scope(FIGURES[wildcards.figure]),
        settings=get_figure_settings,
        code=lambda wildcards: code(wildcards.figure),
    shell:
        "python -P -m scripts.{wildcards.figure} --results results --grid {params.grid:q} {params.settings}"
        " --pdf {output.pdf:q} --png {output.png:q} > {log:q} 2>&1"


rule table:
    input:
        get_table_inputs,
    output:
        csv=report(
            "results/tables/{table}.csv",
            caption="../report/table.rst",
            category=lambda wildcards: get_category(TABLES[wildcards.table]),
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
        grid=lambda wildcards: get_scope(TABLES[wildcards.table]),
        settings=get_table_settings,
        code=lambda wildcards: code(wildcards.table),
    shell:
        "python -P -m scripts.{wildcards.table} --results results --grid {params.grid:q} {params.settings}"
        " --csv {output.csv:q} --md {output.md:q} --tex {output.tex:q} > {log:q} 2>&1"
