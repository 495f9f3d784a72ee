-- The rooms of a batch behind one of them, in the order of their RoomIds; several of one RoomId come
-- together. A function for its settings: Postgres takes a batch that it has not counted yet for a few
-- rooms, and would read and sort all that are left of it for each page.
create function room_reaper.rooms_after(of_batch text, after_room text, most int)
returns setof room_reaper.destructions language sql stable rows 250
set enable_bitmapscan = off set enable_sort = off as $$
  select d.* from room_reaper.destructions d
   where d.batch_id = of_batch and d.room_id collate "C" > after_room
   order by d.room_id collate "C" fetch first (most) rows with ties
$$;
