import type { PoolStanding } from "../api/types";
import { to } from "../router";
import { Meter } from "../ui/meter";
import { PoolState } from "../ui/state";
import { Table } from "../ui/table";
import { When } from "../ui/time";

export function PoolTable({ pools }: { pools: PoolStanding[] }) {
  return (
    <Table
      label="Work pools"
      rows={pools}
      id={(pool) => pool.name}
      empty={
        <>
          There is no work pool yet. <a href="#/pools/new">Make the first one</a>, or run{" "}
          <code>skylift work-pool create NAME --type process:push</code>.
        </>
      }
      columns={[
        { name: "Name", kind: "keep", cell: (pool) => <a href={to`/pools/${pool.name}`}>{pool.name}</a> },
        { name: "Type", kind: "keep", cell: (pool) => <span class="mono">{pool.type}</span> },
        { name: "State", kind: "keep", cell: (pool) => <PoolState status={pool.status} /> },
        {
          name: "Slots",
          kind: "keep",
          cell: (pool) => <Meter used={pool.occupied} limit={pool.concurrency_limit} what="slots" />,
        },
        { name: "Due", kind: "number", cell: (pool) => pool.due },
        {
          name: "Late",
          kind: "number",
          cell: (pool) => <span class={pool.late ? "warn" : undefined}>{pool.late}</span>,
        },
        { name: "Next due", kind: "keep", cell: (pool) => <When at={pool.next_due} /> },
      ]}
    />
  );
}
