"""The page of `kafka-loader report`: HTML with charts as SVG, and nothing that runs or is fetched."""
