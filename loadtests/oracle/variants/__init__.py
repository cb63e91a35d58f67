"""The product with one constant changed, so that what is rare happens often. Unlike ``sabotage``, every promise holds here."""
