-- serves_from: 9
-- Services are metered by their cgroups, as containers are.

insert into source_type (id, name, description, scope) values
    (8, 'service', 'a service of a host, by its cgroup', 'agent');
