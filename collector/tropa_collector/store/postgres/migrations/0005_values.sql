-- What is asked by value is asked here: the embedded store's index of values follows its identifiers at a distance.
CREATE VIEW identifiers_by_value AS SELECT * FROM identifiers;
