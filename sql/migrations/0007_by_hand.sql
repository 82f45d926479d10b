-- serves_from: 1
-- An assignment can be ended by hand so that no row of it is left; the decision must still hold against the rules.

-- Somebody decided whose the asset is, or that it is nobody's: assignment rules leave it alone.
alter table asset add column assigned_by_hand boolean not null default false;
