-- The recent slots, with those that were used late at the instants at which they were used: the
-- window that follows counts from there. A slot that is not remembered any more is left out.
create function room_reaper.move_slots(
  recent float8[], moved_from float8[], moved_to float8[]
) returns float8[] language plpgsql immutable as $$
begin
  if cardinality(moved_from) = 0 then
    return recent;
  end if;
  return (
    select coalesce(array_agg(coalesce(m.used_at, x) order by coalesce(m.used_at, x)), '{}')
      from unnest(recent) x
      left join unnest(moved_from, moved_to) as m (slot, used_at) on m.slot = x
  );
end $$;
