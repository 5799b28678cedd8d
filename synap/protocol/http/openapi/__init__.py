"""What is told of the API: an OpenAPI 3.1 document, a page and a text, all made of the table of routes.

=============  ==============================================================================
``schemas``    JSON Schemas of the structs that serve
``failures``   which errors a route can answer with
``example``    an example of a request for a route
``role``       the role that a route needs
``fields``     the fields of a struct as rows of a table
``markup``     HTML, and what of Markdown descriptions use
``operation``  all that is told of a route, put together
``document``   the OpenAPI document
``page``       the page at /docs
``text``       the reference in Markdown, ``docs/rest.md``
``documents``  the routes of the document and the page
=============  ==============================================================================
"""
