import type { Params } from "../routes";
import { Head } from "../ui/page";

export function Missing({ params }: { params: Params }) {
  return (
    <>
      <Head title="There is no such page" />
      <p class="empty">
        <code>{params.path}</code> leads nowhere. <a href="#/">Overview</a>
      </p>
    </>
  );
}
