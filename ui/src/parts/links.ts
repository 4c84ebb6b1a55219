// Links into other pages, whose addresses say what they show.

/** The logs in which a field has a value, of the last 30 days: `<Anchor component={Link} {...logsOf("model", name)}>`. */
export function logsOf(field: string, value: string): { to: string } {
  const link = { to: "/logs", search: { range: "30d", filters: [{ field, operator: "", values: [value] }] } };
  return link;
}
