/** The groups of the simulated phones, with the members of each; an instance that left is not among them. */
export const sandboxGroupTables = `
create table sandbox_group (
  instance_id uuid not null,
  jid text not null,
  subject text,
  description text,
  owner text not null,
  participants json not null,
  invite_code text not null,
  primary key (instance_id, jid)
);
`
