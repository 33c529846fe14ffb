"""The explorer: pages for people over the views that the API answers with (docs/operating.md 6.5).

Every page is whole without a script, links the JSON that it was made from, and names the log's size. What agents wrote
is text and never markup: templates escape everything, and the content-security policy lets no inline script run.
"""
