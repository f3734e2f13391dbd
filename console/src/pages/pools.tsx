import { address } from "../api/client";
import type { Overview as Standing } from "../api/types";
import { useRead } from "../api/use-read";
import { useQuery } from "../router";
import { Head, Loaded } from "../ui/page";
import { Search } from "../ui/search";
import { isBusy } from "./overview";
import { PoolTable } from "./pool-table";

export function Pools() {
  const read = useRead<Standing>(address("/skylift/overview"), isBusy);
  const [text, setText] = useQuery("q");
  return (
    <>
      <Head
        title="Work pools"
        actions={
          <a class="button is-main" href="#/pools/new" data-shortcut="n">
            + New work pool
          </a>
        }
      />
      <div class="tools">
        <Search label="Search work pools" value={text} change={setText} />
      </div>
      <Loaded read={read}>
        {({ pools }) => (
          <PoolTable
            pools={pools.filter((pool) => `${pool.name} ${pool.type}`.toLowerCase().includes(text.toLowerCase()))}
          />
        )}
      </Loaded>
    </>
  );
}
