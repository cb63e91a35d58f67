window.tropa=window.tropa||new Proxy([],{get:(q,m)=>m in q?q[m]:(...a)=>{q.push([m,a,Date.now(),location.href])}})
